import { tokenExchangeAudience } from '#azure/identity'
import { type BuiltInRole, builtInRoles } from '#azure/rest'
import { bicepResource } from './bicep.ts'
import { type CodeValue, type Expression, expression } from './code.ts'
import { azurermResource } from './terraform.ts'

/** What lets a service account sign in, and what it may read: the same resources for every command that prints code for Azure. */

const identityVersion = '2023-01-31'
export const identityType = `Microsoft.ManagedIdentity/userAssignedIdentities@${identityVersion}`

export interface BicepFederation {
  symbol: string
  /** Symbol of the managed identity. */
  parent: string
  name: CodeValue
  issuer: CodeValue
  subject: CodeValue
  each?: string | undefined
}

/** An identity takes one change of its credentials at a time, so a loop makes them one by one. */
export function bicepFederation({ symbol, parent, name, issuer, subject, each }: BicepFederation): string {
  return bicepResource({
    symbol,
    type: `Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@${identityVersion}`,
    each,
    decorators: each === undefined ? [] : ['@batchSize(1)'],
    body: { parent: expression(parent), name, properties: { issuer, subject, audiences: [tokenExchangeAudience] } },
  })
}

export interface BicepRole {
  symbol: string
  /** A role, or an expression for the id of one. */
  role: BuiltInRole | Expression
  /** Symbol of the resource that it is given on. */
  scope: string
  /** Expressions of which the name of the assignment is made. */
  seeds: readonly string[]
  principalId: Expression
  each?: string | undefined
}

export function bicepRole({ symbol, role, scope, seeds, principalId, each }: BicepRole): string {
  return bicepResource({
    symbol,
    type: 'Microsoft.Authorization/roleAssignments@2022-04-01',
    each,
    body: {
      name: expression(`guid(${seeds.join(', ')})`),
      scope: expression(scope),
      properties: {
        roleDefinitionId: roleId(role),
        principalId,
        principalType: 'ServicePrincipal',
      },
    },
  })
}

function roleId(role: BicepRole['role']): Expression {
  const id = typeof role === 'string' ? `'${builtInRoles[role]}'` : role.text
  return expression(`subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ${id})`)
}

export interface TerraformFederation {
  label: string
  forEach?: Expression | undefined
  name: CodeValue
  resourceGroup: CodeValue
  /** Resource id of the managed identity. */
  identityId: Expression
  issuer: CodeValue
  subject: CodeValue
}

export function terraformFederation(federation: TerraformFederation): string {
  const { label, forEach, name, resourceGroup, identityId, issuer, subject } = federation
  return azurermResource('federated_identity_credential', label, {
    for_each: forEach,
    name,
    resource_group_name: resourceGroup,
    parent_id: identityId,
    issuer,
    subject,
    audience: [tokenExchangeAudience],
  })
}

export interface TerraformRole {
  label: string
  forEach?: Expression | undefined
  scope: CodeValue
  role: CodeValue
  principalId: Expression
}

export function terraformRole({ label, forEach, scope, role, principalId }: TerraformRole): string {
  return azurermResource('role_assignment', label, {
    for_each: forEach,
    scope,
    role_definition_name: role,
    principal_id: principalId,
    principal_type: 'ServicePrincipal',
  })
}

/** Options of `az role assignment create`; `scope` and `principal` are words of the script. */
export function azRole(role: string, { principal, scope }: { principal: string; scope: string }): string {
  return `az role assignment create --role ${role} --assignee-object-id ${principal} --assignee-principal-type ServicePrincipal --scope ${scope} --output none`
}

/** `az identity federated-credential create`; every word is one of the script. */
export function azFederation(words: {
  name: string
  identity: string
  group: string
  issuer: string
  subject: string
}): string {
  const { name, identity, group, issuer, subject } = words
  return `az identity federated-credential create --name ${name} --identity-name ${identity} --resource-group ${group} --issuer ${issuer} --subject ${subject} --audiences ${tokenExchangeAudience} --output none`
}
