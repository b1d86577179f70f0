import { z } from 'zod'
import type { RoleAssignments } from '../../access/role-assignments.ts'
import type { Tenant } from '../../directory/tenant.ts'
import { Refusal } from '../../http/refusal.ts'
import type { RecordStore } from '../../records/record-store.ts'
import { existing, groupResourceOperations, pathsOf, resourceIdOf } from '../group-resources.ts'
import type { ArmAnswer, ArmCall, ArmOperation } from '../operation.ts'
import { locationSchema, resolveLocation, tagsSchema } from '../validate.ts'
import { type Identities, type Identity, identityType as type } from './identities.ts'

export interface IdentityOptions {
  store: RecordStore
  tenant: Tenant
  identities: Identities
  roles: RoleAssignments
}

export const onIdentity = pathsOf(type).one
const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9-_]{2,127}$/

const putBody = z.object({ location: locationSchema.optional(), tags: tagsSchema })
const patchBody = z.object({ tags: z.record(z.string(), z.string()).optional() })

/** User-assigned managed identities. https://learn.microsoft.com/rest/api/managedidentity/user-assigned-identities */
export function identityOperations(options: IdentityOptions): ArmOperation[] {
  const { store, tenant, identities, roles } = options
  return groupResourceOperations<Identity>({
    ...kindOf(identities),
    operation: 'arm.identity',
    all: identities.all,
    render: (identity) => render(tenant, identity),
    put: (call) => put(options, call),
    update: (call) => update(options, call),
    remove(identity) {
      store.commit([...identities.remove(identity), ...roles.removeUnder(identity.id)])
      return { status: 200 }
    },
  })
}

function kindOf(identities: Identities) {
  return { type, find: (call: ArmCall) => identities.get(resourceIdOf(type, call)) }
}

async function put({ store, tenant, identities }: IdentityOptions, call: ArmCall): Promise<ArmAnswer> {
  const name = call.name('name')
  checkName(name)
  const { location: given, tags } = await call.body(putBody)
  const before = identities.get(resourceIdOf(type, call))
  const location = resolveLocation(given, before)
  if (before !== undefined) {
    const identity = { ...before, tags }
    store.commit([identities.put(identity)])
    return { status: 200, body: render(tenant, identity) }
  }
  const { identity, changes } = identities.create({ id: resourceIdOf(type, call), name, location, tags })
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
  return existing(kindOf(identities), call)
}

function render({ tenantId }: Tenant, { id, name, location, tags, principalId, clientId }: Identity) {
  return { id, name, type, location, tags, properties: { tenantId, principalId, clientId } }
}
