import { z } from 'zod'
import type { RoleAssignments } from '../../access/role-assignments.ts'
import type { Tenant } from '../../directory/tenant.ts'
import { Refusal } from '../../http/refusal.ts'
import type { RecordStore } from '../../records/record-store.ts'
import { resourceNotFound } from '../error-response.ts'
import { type ArmAnswer, type ArmCall, type ArmOperation, armOperation } from '../operation.ts'
import { locationSchema, resolveLocation, tagsSchema } from '../validate.ts'
import { type Identities, type Identity, identityType as type } from './identities.ts'

export interface IdentityOptions {
  store: RecordStore
  tenant: Tenant
  identities: Identities
  roles: RoleAssignments
}

const inGroup =
  '/subscriptions/:subscription/resourcegroups/:group/providers/microsoft.managedidentity/userassignedidentities'
export const onIdentity = `${inGroup}/:name`
const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9-_]{2,127}$/

const putBody = z.object({ location: locationSchema.optional(), tags: tagsSchema })
const patchBody = z.object({ tags: z.record(z.string(), z.string()).optional() })

/** User-assigned managed identities. https://learn.microsoft.com/rest/api/managedidentity/user-assigned-identities */
export function identityOperations(options: IdentityOptions): ArmOperation[] {
  const { tenant, identities } = options
  return [
    armOperation('arm.identity.put', 'PUT', onIdentity, `${type}/write`, (call) => put(options, call)),
    armOperation('arm.identity.update', 'PATCH', onIdentity, `${type}/write`, (call) => update(options, call)),
    armOperation('arm.identity.get', 'GET', onIdentity, `${type}/read`, (call) => ({
      status: 200,
      body: render(tenant, existingIdentity(identities, call)),
    })),
    armOperation('arm.identity.delete', 'DELETE', onIdentity, `${type}/delete`, (call) => remove(options, call)),
    armOperation('arm.identity.listByGroup', 'GET', inGroup, `${type}/read`, (call) => listByGroup(options, call)),
    armOperation(
      'arm.identity.list',
      'GET',
      '/subscriptions/:subscription/providers/microsoft.managedidentity/userassignedidentities',
      `${type}/read`,
      () => listed(tenant, identities.all()),
    ),
  ]
}

async function put({ store, tenant, identities }: IdentityOptions, call: ArmCall): Promise<ArmAnswer> {
  const name = call.name('name')
  checkName(name)
  const { location: given, tags } = await call.body(putBody)
  const before = identities.get(idOf(call))
  const location = resolveLocation(given, before)
  if (before !== undefined) {
    const identity = { ...before, tags }
    store.commit([identities.put(identity)])
    return { status: 200, body: render(tenant, identity) }
  }
  const { identity, changes } = identities.create({ id: idOf(call), name, location, tags })
  store.commit(changes)
  return { status: 201, body: render(tenant, identity) }
}

function checkName(name: string): void {
  if (namePattern.test(name)) return
  throw new Refusal(
    400,
    'InvalidResourceName',
    `The identity name '${name}' is invalid: it must have 3 to 128 letters, digits, hyphens and underscores, and begin with a letter or digit.`,
  )
}

async function update({ store, tenant, identities }: IdentityOptions, call: ArmCall): Promise<ArmAnswer> {
  const { tags } = await call.body(patchBody)
  const before = existingIdentity(identities, call)
  const identity = { ...before, tags: tags ?? before.tags }
  store.commit([identities.put(identity)])
  return { status: 200, body: render(tenant, identity) }
}

/** The identity in the path, for its own operations and those below it. Throws {@link Refusal}. */
export function existingIdentity(identities: Identities, call: ArmCall): Identity {
  const identity = identities.get(idOf(call))
  if (identity === undefined) throw resourceNotFound(type, call.name('name'), call.name('group'))
  return identity
}

function idOf(call: ArmCall): string {
  return `/subscriptions/${call.name('subscription')}/resourceGroups/${call.name('group')}/providers/${type}/${call.name('name')}`
}

function remove({ store, identities, roles }: IdentityOptions, call: ArmCall): ArmAnswer {
  const identity = identities.get(idOf(call))
  if (identity === undefined) return { status: 204 }
  store.commit([...identities.remove(identity), ...roles.removeUnder(identity.id)])
  return { status: 200 }
}

function listByGroup({ tenant, identities }: IdentityOptions, call: ArmCall): ArmAnswer {
  const prefix = `${call.targetId}/`.toLowerCase()
  return listed(
    tenant,
    identities.all().filter(({ id }) => id.toLowerCase().startsWith(prefix)),
  )
}

function listed(tenant: Tenant, identities: readonly Identity[]): ArmAnswer {
  return { status: 200, body: { value: identities.map((identity) => render(tenant, identity)) } }
}

function render({ tenantId }: Tenant, { id, name, location, tags, principalId, clientId }: Identity) {
  return { id, name, type, location, tags, properties: { tenantId, principalId, clientId } }
}
