import type { Change } from '../records/record-store.ts'

/** The fields of every resource in lists. */
export interface Resource {
  id: string
  name: string
  type: string
  location: string
  tags: Record<string, string>
}

/** What Resource Manager returns of every resource that has a location; what a type adds follows. */
export function resourceFields(resource: Omit<Resource, 'type'>, type: string): Resource {
  const { id, name, location, tags } = resource
  return { id, name, type, location, tags }
}

/** A type of resource, for resource groups and generic lists. A new type needs one of these and a table of operations. */
export interface ResourceKind {
  /** For example `Microsoft.KeyVault/vaults`. */
  type: string
  all(): Resource[]
  /** Stops the resource's processes before it is deleted. Default: it has none. */
  retire?: ((id: string) => Promise<void>) | undefined
  /** The changes that delete the resource with everything that belongs to it. */
  delete(id: string): Change[]
}

/** The resources below a subscription or a group. */
export function resourcesWithin(kinds: readonly ResourceKind[], scopeId: string): Resource[] {
  const prefix = `${scopeId.toLowerCase()}/`
  return kinds.flatMap((kind) => kind.all()).filter(({ id }) => id.toLowerCase().startsWith(prefix))
}
