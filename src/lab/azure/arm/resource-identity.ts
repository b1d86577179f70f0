import { z } from 'zod'
import type { Directory } from '../directory/directory.ts'
import type { Tenant } from '../directory/tenant.ts'
import { Refusal } from '../http/refusal.ts'
import type { Change } from '../records/record-store.ts'
import type { Identities } from './managed-identity/identities.ts'
import type { ArmCall } from './operation.ts'

/** A resource that managed identities can be assigned to. */
export interface IdentityHolder {
  id: string
  name: string
  /** Object id of the system-assigned identity. */
  systemPrincipalId?: string | undefined
  /** Resource ids of user-assigned identities. */
  identityIds: string[]
}

export interface ResourceIdentityOptions {
  directory: Directory
  identities: Identities
  tenant: Tenant
  /** Type of the resource, for error texts. */
  type: string
}

export const identitySchema = z.object({
  type: z
    .string()
    .transform((word) => word.toLowerCase().replaceAll(' ', ''))
    .pipe(z.enum(['none', 'systemassigned', 'userassigned', 'systemassigned,userassigned'])),
  /** A null removes that identity. */
  userAssignedIdentities: z.record(z.string(), z.looseObject({}).nullable()).nullish(),
})
export type GivenIdentity = z.output<typeof identitySchema>

/** The resource with `given` applied as a merge patch (identities that it does not name stay), and the directory's changes. */
export function applyIdentity<T extends IdentityHolder>(
  options: ResourceIdentityOptions,
  call: ArmCall,
  resource: T,
  given: GivenIdentity | null | undefined,
): { resource: T; changes: readonly Change[] } {
  if (given == null) return { resource, changes: [] }
  const identityIds = userIdentitiesOf(options, call, resource, given)
  return applySystemIdentity(options, { ...resource, identityIds }, given.type.startsWith('systemassigned'))
}

function userIdentitiesOf(
  options: ResourceIdentityOptions,
  call: ArmCall,
  { identityIds }: IdentityHolder,
  given: GivenIdentity,
) {
  const named = Object.entries(given.userAssignedIdentities ?? {})
  const isNamed = (id: string) => named.some(([other]) => other.toLowerCase() === id.toLowerCase())
  const added = named.flatMap(([id, value]) => (value === null ? [] : [id]))
  for (const id of added) checkAssignable(options, call, id)
  return given.type.endsWith('userassigned') ? [...identityIds.filter((id) => !isNamed(id)), ...added] : []
}

function checkAssignable({ identities, type }: ResourceIdentityOptions, call: ArmCall, identityId: string): void {
  if (identities.get(identityId) === undefined) {
    throw new Refusal(
      400,
      'FailedIdentityOperation',
      `Identity operation for resource '${call.targetId}' failed with error 'Failed to perform resource identity operation. Status: 'BadRequest'. Response: 'Resource '${identityId}' was not found.''.`,
    )
  }
  checkLinkedPermission(call, `${type}/write`, {
    action: 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action',
    resourceId: identityId,
  })
}

/** Throws {@link Refusal} unless the caller has the permission on the other resource that a write of this one refers to. */
export function checkLinkedPermission(
  call: ArmCall,
  write: string,
  { action, resourceId }: { action: string; resourceId: string },
): void {
  if (call.may(action, resourceId)) return
  const { appid, oid } = call.caller
  throw new Refusal(
    403,
    'LinkedAuthorizationFailed',
    `The client '${appid}' with object id '${oid}' has permission to perform action '${write}' on scope '${call.targetId}'; however, it does not have permission to perform action(s) '${action}' on the linked scope(s) '${resourceId}' (respectively) or the linked scope(s) are invalid.`,
  )
}

function applySystemIdentity<T extends IdentityHolder>(
  { directory }: ResourceIdentityOptions,
  resource: T,
  isWanted: boolean,
): { resource: T; changes: readonly Change[] } {
  const principal = directory.servicePrincipal(resource.systemPrincipalId ?? '')
  if (!isWanted) {
    const changes = principal === undefined ? [] : directory.removePrincipal(principal)
    return { resource: { ...resource, systemPrincipalId: undefined }, changes }
  }
  if (principal !== undefined) return { resource, changes: [] }
  const created = directory.addManagedIdentity(resource.name, resource.id)
  return { resource: { ...resource, systemPrincipalId: created.principal.id }, changes: created.changes }
}

/** The changes that remove the system-assigned identity, with its resource. */
export function removeSystemIdentity(directory: Directory, { systemPrincipalId }: IdentityHolder): Change[] {
  const principal = directory.servicePrincipal(systemPrincipalId ?? '')
  return principal === undefined ? [] : directory.removePrincipal(principal)
}

/** The `identity` of a resource as Resource Manager returns it; undefined when it has none. */
export function renderIdentity(
  { identities, tenant }: Pick<ResourceIdentityOptions, 'identities' | 'tenant'>,
  { systemPrincipalId, identityIds }: IdentityHolder,
) {
  const hasSystem = systemPrincipalId !== undefined
  const hasUser = identityIds.length > 0
  if (!hasSystem && !hasUser) return undefined
  const kinds = [hasSystem && 'SystemAssigned', hasUser && 'UserAssigned'].filter(Boolean)
  const user = identityIds.map((id) => {
    const { principalId, clientId } = identities.get(id) ?? {}
    return [id, { principalId, clientId }]
  })
  return {
    type: kinds.join(', '),
    principalId: systemPrincipalId,
    tenantId: hasSystem ? tenant.tenantId : undefined,
    userAssignedIdentities: hasUser ? Object.fromEntries(user) : undefined,
  }
}
