import { createHash } from 'node:crypto'
import { isAzureConflict, isAzureForbidden } from './azure-error.ts'
import type { AzureService } from './azure-service.ts'

/** https://learn.microsoft.com/azure/role-based-access-control/built-in-roles */
export const builtInRoles = {
  'EventGrid Data Receiver': '78cbd9e7-9798-4e2e-9b5a-547d9ebb31fb',
  'EventGrid Data Sender': 'd5a91429-5739-47e2-a06b-3470a27159e7',
  'Key Vault Administrator': '00482a5a-887f-4fb3-b363-3b7fe8e74483',
  'Key Vault Certificate User': 'db79e9a7-68ee-4b58-9aeb-b90e7c24fcba',
  'Key Vault Certificates Officer': 'a4417e6f-fecd-4de8-b567-7b0420556985',
  'Key Vault Crypto Officer': '14b46e9e-c2b7-41b4-b07b-48a6ebf60603',
  'Key Vault Crypto User': '12338af0-0e69-4776-bea7-57ae8d297424',
  'Key Vault Secrets Officer': 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7',
  'Key Vault Secrets User': '4633458b-17de-408a-b874-0445c86b69e6',
  'Storage Queue Data Contributor': '974c5e8b-45b9-4653-ba55-5f855dd0fb88',
  'Storage Queue Data Message Processor': '8a0f0c08-91a1-4084-bc3d-661d67233fed',
  'Storage Queue Data Message Sender': 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a',
} as const

export type BuiltInRole = keyof typeof builtInRoles

export interface RoleAssignment {
  /** Where the role holds: `/subscriptions/…`, a resource group, or one resource. */
  scope: string
  /** ARM id of the role definition. */
  roleDefinitionId: string
  /** Object id of a service principal or managed identity. */
  principalId: string
}

const authorizationApi = { apiVersion: '2022-04-01' }

/**
 * An assignment's name is a GUID of the caller's choice; made of the assignment's content, the same assignment is the same resource
 * for every caller.
 */
export function roleAssignmentId({ scope, roleDefinitionId, principalId }: RoleAssignment): string {
  const words = [scope, roleGuid(roleDefinitionId), principalId].map((word) => word.toLowerCase())
  const hex = createHash('sha256').update(words.join('\0')).digest('hex')
  const guid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-')
  return `${scope}/providers/Microsoft.Authorization/roleAssignments/${guid}`
}

/** Gives a role, unless the principal has it at that scope already. Gives the id of the assignment, new or found. */
export async function assignRole(
  resourceManager: AzureService,
  assignment: RoleAssignment,
): Promise<{ id: string; created: boolean }> {
  const found = await findAssignment(resourceManager, assignment)
  if (found !== undefined) return { id: found, created: false }
  const { roleDefinitionId, principalId } = assignment
  // Without the type, Azure looks a new principal up in a directory that may not have heard of it yet.
  const properties = { roleDefinitionId, principalId, principalType: 'ServicePrincipal' }
  const id = roleAssignmentId(assignment)
  try {
    await resourceManager.put(id, { properties }, authorizationApi)
    return { id, created: true }
  } catch (error) {
    if (isAzureConflict(error)) return { id, created: false }
    throw error
  }
}

interface AssignmentRecord {
  id: string
  properties: RoleAssignment
}

/** Who may give roles may not always list them; then the PUT that follows finds out. */
async function findAssignment(
  resourceManager: AzureService,
  { scope, roleDefinitionId, principalId }: RoleAssignment,
): Promise<string | undefined> {
  const path = `${scope}/providers/Microsoft.Authorization/roleAssignments`
  const query = { $filter: `principalId eq '${principalId}'` }
  try {
    const found = await resourceManager.list<AssignmentRecord>(path, { ...authorizationApi, query })
    const same = found.find(
      ({ properties }) =>
        properties.scope.toLowerCase() === scope.toLowerCase() &&
        roleGuid(properties.roleDefinitionId) === roleGuid(roleDefinitionId),
    )
    return same?.id
  } catch (error) {
    if (isAzureForbidden(error)) return undefined
    throw error
  }
}

/** The same role has an id per scope that it was asked for on. */
function roleGuid(roleDefinitionId: string): string {
  return (roleDefinitionId.split('/').at(-1) ?? '').toLowerCase()
}

/** Takes back a role that {@link assignRole} gave; false when it was gone already. */
export function removeRole(resourceManager: AzureService, assignment: RoleAssignment): Promise<boolean> {
  return resourceManager.delete(roleAssignmentId(assignment), authorizationApi)
}

/** ARM id of a role by its name, custom roles of the scope included; undefined for an unknown one. */
export async function findRoleDefinition(
  resourceManager: AzureService,
  { scope, roleName }: { scope: string; roleName: string },
): Promise<string | undefined> {
  const query = { $filter: `roleName eq '${roleName.replaceAll("'", "''")}'` }
  const path = `${scope}/providers/Microsoft.Authorization/roleDefinitions`
  const [found] = await resourceManager.list<{ id: string }>(path, { ...authorizationApi, query })
  return found?.id
}
