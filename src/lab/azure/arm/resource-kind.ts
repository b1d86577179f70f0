import type { Change } from '../records/record-store.ts'

/** What every resource shows of itself in lists. */
export interface Resource {
  id: string
  name: string
  type: string
  location: string
  tags: Record<string, string>
}

/** A type of resource, as resource groups and generic lists see it. A new type is one of these and a table of operations. */
export interface ResourceKind {
  /** For example `Microsoft.KeyVault/vaults`. */
  type: string
  all(): Resource[]
  /** Stops what runs behind the resource, before it is deleted. Default: nothing does. */
  retire?(id: string): Promise<void>
  /** The changes that delete the resource with all that hangs on it. */
  delete(id: string): Change[]
}

/** The resources below a subscription or a group. */
export function resourcesWithin(kinds: readonly ResourceKind[], scopeId: string): Resource[] {
  const prefix = `${scopeId.toLowerCase()}/`
  return kinds.flatMap((kind) => kind.all()).filter(({ id }) => id.toLowerCase().startsWith(prefix))
}
