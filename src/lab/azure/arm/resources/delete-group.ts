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

/** Deletes groups in the background, with their contents. */
export interface GroupDeletion {
  /** Marks the group and begins. Returns headers with the URL of the operation's status. */
  begin(group: ResourceGroup): Record<string, string>
  /** Continues the deletions that the last process did not finish. Called once, at the start. */
  resume(): void
}

export function createGroupDeletion(options: GroupDeletionOptions): GroupDeletion {
  const { store, groups, roles, kinds, longOperations } = options

  /** Vaults are soft-deleted and stay recoverable; identities go with their federated credentials. */
  async function remove(group: ResourceGroup): Promise<void> {
    for (const kind of kinds) {
      for (const { id } of resourcesWithin([kind], group.id)) await kind.retire?.(id)
    }
    const contents = kinds.flatMap((kind) => resourcesWithin([kind], group.id).flatMap(({ id }) => kind.delete(id)))
    store.commit([...contents, ...roles.removeUnder(group.id), groups.remove(group)])
  }

  /** A group whose deletion failed exists again, with its remaining contents. */
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
