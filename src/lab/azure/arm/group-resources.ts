import { resourceNotFound } from './error-response.ts'
import { type ArmAnswer, type ArmCall, type ArmOperation, armOperation } from './operation.ts'
import { groupNameOf } from './resource-path.ts'

/** A type of resource that resource groups contain, with what differs in the operations that all such types have. */
export interface GroupResources<T extends { id: string }> {
  /** What the names of its operations begin with, for example `arm.vault`. */
  operation: string
  /** For example `Microsoft.KeyVault/vaults`. */
  type: string
  all(): readonly T[]
  /** The resource in the path. */
  find(call: ArmCall): T | undefined
  render(resource: T): unknown
  put(call: ArmCall): Promise<ArmAnswer>
  /** Left out for a type that has no PATCH. */
  update?(call: ArmCall): Promise<ArmAnswer>
  remove(resource: T): ArmAnswer
}

/** PUT, PATCH, GET and DELETE of one resource, and the lists of a group and of the subscription. */
export function groupResourceOperations<T extends { id: string }>(kind: GroupResources<T>): ArmOperation[] {
  const { operation, type, all, find, render, update, remove } = kind
  const { inSubscription, inGroup, one } = pathsOf(type)
  const listed = (resources: readonly T[]): ArmAnswer => ({ status: 200, body: { value: resources.map(render) } })
  return [
    armOperation(`${operation}.put`, 'PUT', one, `${type}/write`, (call) => kind.put(call)),
    ...(update === undefined ? [] : [armOperation(`${operation}.update`, 'PATCH', one, `${type}/write`, update)]),
    armOperation(`${operation}.get`, 'GET', one, `${type}/read`, (call) => ({
      status: 200,
      body: render(existing(kind, call)),
    })),
    armOperation(`${operation}.delete`, 'DELETE', one, `${type}/delete`, (call) => {
      const resource = find(call)
      return resource === undefined ? { status: 204 } : remove(resource)
    }),
    armOperation(`${operation}.listByGroup`, 'GET', inGroup, `${type}/read`, (call) =>
      listed(all().filter((resource) => isInGroup(resource, call))),
    ),
    armOperation(`${operation}.list`, 'GET', inSubscription, `${type}/read`, () => listed(all())),
  ]
}

/** Paths of a type, in canonical form (see resource-path.ts). */
export function pathsOf(type: string): { inSubscription: string; inGroup: string; one: string } {
  const provider = `providers/${type.toLowerCase()}`
  const inGroup = `/subscriptions/:subscription/resourcegroups/:group/${provider}`
  return { inSubscription: `/subscriptions/:subscription/${provider}`, inGroup, one: `${inGroup}/:name` }
}

/** The resource in the path. Throws a Refusal, 404, when there is none. */
export function existing<T>({ type, find }: { type: string; find(call: ArmCall): T | undefined }, call: ArmCall): T {
  const resource = find(call)
  if (resource === undefined) throw resourceNotFound(type, call.name('name'), call.name('group'))
  return resource
}

/** Id of the resource in the path, with the type as Azure writes it. */
export function resourceIdOf(type: string, call: ArmCall): string {
  return `/subscriptions/${call.name('subscription')}/resourceGroups/${call.name('group')}/providers/${type}/${call.name('name')}`
}

export function isInGroup({ id }: { id: string }, call: ArmCall): boolean {
  return groupNameOf(id)?.toLowerCase() === call.name('group').toLowerCase()
}
