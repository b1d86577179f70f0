import type { Change, RecordStore } from '../../records/record-store.ts'

export interface ResourceGroup {
  id: string
  name: string
  location: string
  tags: Record<string, string>
  /** Set while the group is being deleted. */
  isDeleting?: true | undefined
}

export interface ResourceGroups {
  /** The group of that name, in any case. */
  get(name: string): ResourceGroup | undefined
  all(): ResourceGroup[]
  put(group: ResourceGroup): Change
  remove(group: ResourceGroup): Change
}

export function createResourceGroups(store: RecordStore): ResourceGroups {
  const collection = store.collection<ResourceGroup>('resource-groups')
  return {
    get: (name) => collection.get(name.toLowerCase()),
    all: () => [...collection.values()],
    put: (group) => collection.put(group.name.toLowerCase(), group),
    remove: (group) => collection.remove(group.name.toLowerCase()),
  }
}
