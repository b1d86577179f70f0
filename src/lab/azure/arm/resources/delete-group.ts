import type { RoleAssignments } from '../../access/role-assignments.ts'
import type { RecordStore } from '../../records/record-store.ts'
import type { LongOperations } from '../long-operations.ts'
import { type ResourceKind, resourcesWithin } from '../resource-kind.ts'
import type { ResourceGroup, ResourceGroups } from './resource-groups.ts'

export interface GroupDeletionOptions {
  store: RecordStore
  groups: ResourceGroups
  roles: RoleAssignments
  kinds: readonly ResourceKind[]
  longOperations: LongOperations
}

/** Deletes groups in the background, with all that is in them. */
export interface GroupDeletion {
  /** Marks the group and begins. Gives the headers that tell where to ask. */
  begin(group: ResourceGroup): Record<string, string>
  /** Goes on with what the end of the last process cut short. Called once, at the start. */
  resume(): void
}

export function createGroupDeletion(options: GroupDeletionOptions): GroupDeletion {
  const { store, groups, roles, kinds, longOperations } = options

  /** Vaults are soft-deleted and stay recoverable; identities go with their federated credentials. */
  async function remove(group: ResourceGroup): Promise<void> {
    for (const kind of kinds) {
      for (const { id } of resourcesWithin([kind], group.id)) await kind.retire?.(id)
    }
    const inside = kinds.flatMap((kind) => resourcesWithin([kind], group.id).flatMap(({ id }) => kind.delete(id)))
    store.commit([...inside, ...roles.removeUnder(group.id), groups.remove(group)])
  }

  /** A group whose deletion has failed is there again, with what is left in it. */
  function begin(group: ResourceGroup): Record<string, string> {
    store.commit([groups.put({ ...group, isDeleting: true })])
    return longOperations.startForResult(async () => {
      try {
        await remove(group)
      } catch (error) {
        store.commit([groups.put({ ...group, isDeleting: undefined })])
        throw error
      }
    })
  }

  return {
    begin,
    resume() {
      for (const group of groups.all()) if (group.isDeleting === true) begin(group)
    },
  }
}
