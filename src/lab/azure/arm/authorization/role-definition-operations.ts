import { builtInRoles, type RoleDefinition, roleDefinition } from '../../access/role-definitions.ts'
import type { FilterClause } from '../../http/odata-filter.ts'
import { Refusal } from '../../http/refusal.ts'
import { type ArmOperation, armOperation } from '../operation.ts'
import { invalidFilter, readFilter } from '../read-filter.ts'

const onScope = '/:scope{.+}/providers/microsoft.authorization/roledefinitions'
const type = 'Microsoft.Authorization/roleDefinitions'

/** Role definitions, the same on every scope. https://learn.microsoft.com/rest/api/authorization/role-definitions */
export function roleDefinitionOperations({ subscriptionId }: { subscriptionId: string }): ArmOperation[] {
  function render({ name, roleName, description, ...permissions }: RoleDefinition) {
    return {
      id: roleDefinitionId(subscriptionId, name),
      type,
      name,
      properties: { roleName, type: 'BuiltInRole', description, assignableScopes: ['/'], permissions: [permissions] },
    }
  }

  return [
    {
      operation: 'arm.roleDefinition.list',
      method: 'GET',
      path: onScope,
      action: `${type}/read`,
      run({ url }) {
        const clauses = readFilter(url)
        const value = builtInRoles.filter((role) => clauses.every((clause) => satisfies(role, clause)))
        return { status: 200, body: { value: value.map(render) } }
      },
    },
    armOperation('arm.roleDefinition.get', 'GET', `${onScope}/:name`, `${type}/read`, (call) => ({
      status: 200,
      body: render(existingRole(call.name('name'))),
    })),
  ]
}

/** Azure's id of a built-in role, which is the same on every scope. */
export function roleDefinitionId(subscriptionId: string, name: string): string {
  return `/subscriptions/${subscriptionId}/providers/${type}/${name}`
}

/** The role with this GUID or full id. Throws {@link Refusal} 404. */
export function existingRole(nameOrId: string): RoleDefinition {
  const role = roleDefinition(nameOrId.split('/').at(-1) ?? '')
  if (role !== undefined) return role
  throw new Refusal(
    404,
    'RoleDefinitionDoesNotExist',
    `The specified role definition with ID '${nameOrId}' does not exist.`,
  )
}

function satisfies({ roleName }: RoleDefinition, clause: FilterClause): boolean {
  if (clause.kind === 'call' && clause.name.toLowerCase() === 'atscopeandbelow') return true
  const field = clause.kind === 'equals' ? clause.field.toLowerCase() : ''
  if (clause.kind !== 'equals' || (field !== 'rolename' && field !== 'type')) throw invalidFilter(clause)
  return (field === 'type' ? 'BuiltInRole' : roleName).toLowerCase() === clause.value.toLowerCase()
}
