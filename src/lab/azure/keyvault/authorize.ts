import type { RoleAssignments } from '../access/role-assignments.ts'
import type { AccessTokenClaims } from '../entra/access-tokens.ts'
import { Refusal } from '../http/refusal.ts'
import type { AccessPolicy, Vault } from './vaults.ts'

/** The permission that an operation needs, in the terms of both permission models. */
export interface Permission {
  kind: 'secrets' | 'keys' | 'certificates'
  /** Name in access policies, for example `get`. */
  policy: string
  /** Data action of RBAC, below `Microsoft.KeyVault/vaults/`, for example `secrets/getSecret/action`. */
  dataAction: string
}

/** Makes the permissions of operations on a kind of objects. Their data actions are below `area`. */
export function permissionsOn(kind: Permission['kind'], area: string = kind) {
  return (policy: string, action: string): Permission => ({ kind, policy, dataAction: `${area}/${action}` })
}

/** Throws the {@link Refusal} 403 unless the vault's permission model allows the caller this operation on this object. */
export function authorize(
  vault: Vault,
  caller: AccessTokenClaims,
  permission: Permission,
  objectName: string | undefined,
  roles: RoleAssignments,
): void {
  if (vault.properties.enableRbacAuthorization) authorizeByRole(vault, caller, permission, objectName, roles)
  else authorizeByPolicy(vault, caller, permission)
}

function authorizeByRole(
  vault: Vault,
  caller: AccessTokenClaims,
  { kind, dataAction }: Permission,
  objectName: string | undefined,
  roles: RoleAssignments,
): void {
  const resource = objectName === undefined ? vault.id : `${vault.id}/${kind}/${objectName}`
  const action = `Microsoft.KeyVault/vaults/${dataAction}`
  if (roles.permitsData(caller.oid, action, resource)) return
  throw new Refusal(
    403,
    'Forbidden',
    [
      'Caller is not authorized to perform action on resource.',
      'If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.',
      `Caller: ${describe(caller)}`,
      `Action: '${action}'`,
      `Resource: '${resource.toLowerCase()}'`,
      'Assignment: (not found)',
      'DenyAssignmentId: null',
      "DecisionReason: 'DeniedWithNoValidRBAC' ",
      `Vault: ${vault.name};location=${vault.location}`,
      '',
    ].join('\r\n'),
    { innerCode: 'ForbiddenByRbac' },
  )
}

function authorizeByPolicy(vault: Vault, caller: AccessTokenClaims, { kind, policy }: Permission): void {
  if (vault.properties.accessPolicies.some((entry) => grants(entry, caller, kind, policy))) return
  throw new Refusal(
    403,
    'Forbidden',
    `The user, group or application '${describe(caller)}' does not have ${kind} ${policy} permission on key vault '${vault.name};location=${vault.location}'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287`,
    { innerCode: 'AccessDenied' },
  )
}

function grants(entry: AccessPolicy, caller: AccessTokenClaims, kind: Permission['kind'], policy: string): boolean {
  if (entry.objectId.toLowerCase() !== caller.oid) return false
  if (entry.applicationId !== undefined && entry.applicationId.toLowerCase() !== caller.appid) return false
  return (entry.permissions[kind] ?? []).some((word) => {
    const granted = word.toLowerCase()
    // "all" is older than "purge" and does not include it.
    return granted === policy || (granted === 'all' && policy !== 'purge')
  })
}

function describe({ appid, oid, iss }: AccessTokenClaims): string {
  return `appid=${appid};oid=${oid};iss=${iss}`
}
