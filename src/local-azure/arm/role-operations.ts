import { z } from 'zod'
import type { Clock } from '../../lib/index.ts'
import type { RoleAssignment, RoleAssignments } from '../access/role-assignments.ts'
import { isWithin } from '../access/role-assignments.ts'
import { builtInRoles, type RoleDefinition, roleDefinition } from '../access/role-definitions.ts'
import type { Directory } from '../directory/directory.ts'
import type { Tenant } from '../directory/tenant.ts'
import { parseFilter } from '../http/odata-filter.ts'
import type { RecordStore } from '../records/record-store.ts'
import { ArmError, resourceNotFound } from './error-response.ts'
import type { ArmCall, ArmOperation } from './operation.ts'
import type { ResourceGroups } from './resource-groups.ts'
import type { ResourceKind } from './resource-kind.ts'
import { guidSchema } from './validate.ts'

export interface RoleOptions {
  store: RecordStore
  tenant: Tenant
  directory: Directory
  roles: RoleAssignments
  groups: ResourceGroups
  kinds: readonly ResourceKind[]
  clock: Clock
}

const authorization = '/:scope{.+}/providers/microsoft.authorization'
const assignmentType = 'Microsoft.Authorization/roleAssignments'

const putBody = z.object({
  properties: z.object({
    roleDefinitionId: z.string(),
    principalId: guidSchema,
    principalType: z.enum(['User', 'Group', 'ServicePrincipal', 'ForeignGroup', 'Device']).nullish(),
    description: z.string().max(1024).nullish(),
    condition: z.null('conditions are not implemented by the local Azure').optional(),
  }),
})

/** Role definitions and assignments, on any scope. https://learn.microsoft.com/rest/api/authorization */
export function roleOperations(options: RoleOptions): ArmOperation[] {
  const { store, tenant, directory, roles, clock } = options

  function definitionJson({
    name,
    roleName,
    description,
    actions,
    notActions,
    dataActions,
    notDataActions,
  }: RoleDefinition) {
    return {
      id: `/subscriptions/${tenant.subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${name}`,
      type: 'Microsoft.Authorization/roleDefinitions',
      name,
      properties: {
        roleName,
        type: 'BuiltInRole',
        description,
        assignableScopes: ['/'],
        permissions: [{ actions, notActions, dataActions, notDataActions }],
      },
    }
  }

  function assignmentJson(assignment: RoleAssignment) {
    const { scope, name, roleName, principalId, principalType, createdOn, updatedOn, createdBy } = assignment
    return {
      id: `${scope}/providers/${assignmentType}/${name}`,
      type: assignmentType,
      name,
      properties: {
        roleDefinitionId: `/subscriptions/${tenant.subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${roleName}`,
        principalId,
        principalType,
        scope,
        condition: null,
        conditionVersion: null,
        createdOn,
        updatedOn,
        createdBy,
        updatedBy: createdBy,
        delegatedManagedIdentityResourceId: null,
        description: assignment.description ?? null,
      },
    }
  }

  async function put(call: ArmCall) {
    const scope = scopeOf(call)
    checkScope(scope, options)
    const name = call.name('name').toLowerCase()
    if (!z.guid().safeParse(name).success) {
      throw new ArmError(
        400,
        'InvalidRoleAssignmentId',
        `The role assignment ID '${name}' is not valid. The role assignment ID must be a GUID.`,
      )
    }
    const { properties } = await call.body(putBody)
    const role = roleDefinition(properties.roleDefinitionId.split('/').at(-1) ?? '')
    if (role === undefined) {
      throw new ArmError(
        404,
        'RoleDefinitionDoesNotExist',
        `The specified role definition with ID '${properties.roleDefinitionId}' does not exist.`,
      )
    }
    checkPrincipal(properties.principalId, properties.principalType ?? undefined)
    const same = roles
      .ofPrincipal(properties.principalId)
      .find((other) => other.roleName === role.name && other.scope.toLowerCase() === scope.toLowerCase())
    if (same !== undefined && same.name !== name) {
      throw new ArmError(
        409,
        'RoleAssignmentExists',
        `The role assignment already exists. The ID of the existing role assignment is ${same.name.replaceAll('-', '')}.`,
      )
    }
    const before = roles.get(scope, name)
    if (before !== undefined && before.principalId !== properties.principalId) {
      throw new ArmError(
        409,
        'RoleAssignmentUpdateNotPermitted',
        'Tenant ID, application ID, principal ID, and scope are not allowed to be updated.',
      )
    }
    const now = new Date(clock.now()).toISOString()
    const assignment: RoleAssignment = {
      name,
      scope,
      roleName: role.name,
      principalId: properties.principalId,
      principalType: properties.principalType ?? 'ServicePrincipal',
      ...(properties.description != null && { description: properties.description }),
      createdOn: before?.createdOn ?? now,
      updatedOn: now,
      createdBy: call.caller.oid,
    }
    store.commit([roles.put(assignment)])
    return { status: 201, body: assignmentJson(assignment) }
  }

  function checkPrincipal(principalId: string, principalType: string | undefined): void {
    if (directory.servicePrincipal(principalId) === undefined) {
      throw new ArmError(
        400,
        'PrincipalNotFound',
        `Principal ${principalId.replaceAll('-', '')} does not exist in the directory ${tenant.tenantId}. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype`,
      )
    }
    if (principalType !== undefined && principalType !== 'ServicePrincipal') {
      throw new ArmError(
        400,
        'UnmatchedPrincipalType',
        `The PrincipalId '${principalId.replaceAll('-', '')}' has type 'ServicePrincipal' , which is different from specified PrinciaplType '${principalType}'.`,
      )
    }
  }

  return [
    {
      operation: 'arm.roleDefinition.list',
      method: 'GET',
      path: `${authorization}/roledefinitions`,
      action: 'Microsoft.Authorization/roleDefinitions/read',
      run: (call) => ({ status: 200, body: { value: filterDefinitions(call.url).map(definitionJson) } }),
    },
    {
      operation: 'arm.roleDefinition.get',
      method: 'GET',
      path: `${authorization}/roledefinitions/:name`,
      action: 'Microsoft.Authorization/roleDefinitions/read',
      run(call) {
        const role = roleDefinition(call.name('name'))
        if (role !== undefined) return { status: 200, body: definitionJson(role) }
        throw new ArmError(
          404,
          'RoleDefinitionDoesNotExist',
          `The specified role definition with ID '${call.name('name')}' does not exist.`,
        )
      },
    },
    {
      operation: 'arm.roleAssignment.put',
      method: 'PUT',
      path: `${authorization}/roleassignments/:name`,
      action: `${assignmentType}/write`,
      run: put,
    },
    {
      operation: 'arm.roleAssignment.get',
      method: 'GET',
      path: `${authorization}/roleassignments/:name`,
      action: `${assignmentType}/read`,
      run(call) {
        const assignment = roles.get(scopeOf(call), call.name('name'))
        if (assignment !== undefined) return { status: 200, body: assignmentJson(assignment) }
        throw new ArmError(404, 'RoleAssignmentNotFound', `The role assignment '${call.name('name')}' is not found.`)
      },
    },
    {
      operation: 'arm.roleAssignment.list',
      method: 'GET',
      path: `${authorization}/roleassignments`,
      action: `${assignmentType}/read`,
      run: (call) => ({
        status: 200,
        body: { value: filterAssignments(scopeOf(call), call.url, roles).map(assignmentJson) },
      }),
    },
    {
      operation: 'arm.roleAssignment.delete',
      method: 'DELETE',
      path: `${authorization}/roleassignments/:name`,
      action: `${assignmentType}/delete`,
      run(call) {
        const assignment = roles.get(scopeOf(call), call.name('name'))
        if (assignment === undefined) return { status: 204 }
        store.commit([roles.remove(assignment)])
        return { status: 200, body: assignmentJson(assignment) }
      },
    },
  ]
}

function scopeOf(call: ArmCall): string {
  const path = call.url.pathname.replace(/\/+/g, '/')
  return path.slice(0, path.toLowerCase().lastIndexOf('/providers/microsoft.authorization/'))
}

/** A role can be assigned only on something that exists; inside of a vault, names of objects are not checked, as in Azure. */
function checkScope(scope: string, { tenant, groups, kinds }: RoleOptions): void {
  const [, subscription, group, type, name] =
    /^\/subscriptions\/([^/]+)(?:\/resourceGroups\/([^/]+)(?:\/providers\/([^/]+\/[^/]+)\/([^/]+)(?:\/.*)?)?)?$/i.exec(
      scope,
    ) ?? []
  if (subscription === undefined) throw new ArmError(400, 'InvalidScope', `The scope '${scope}' is not valid.`)
  if (subscription.toLowerCase() !== tenant.subscriptionId) {
    throw new ArmError(404, 'SubscriptionNotFound', `The subscription '${subscription}' could not be found.`)
  }
  if (group !== undefined && groups.get(group) === undefined) {
    throw new ArmError(404, 'ResourceGroupNotFound', `Resource group '${group}' could not be found.`)
  }
  if (group === undefined || type === undefined || name === undefined) return
  const kind = kinds.find((each) => each.type.toLowerCase() === type.toLowerCase())
  const isThere = kind?.all().some(({ id }) => isWithin(scope.toLowerCase(), id.toLowerCase()))
  if (isThere !== true) throw resourceNotFound(type, name, group)
}

function filterDefinitions(url: URL): readonly RoleDefinition[] {
  const filter = url.searchParams.get('$filter') ?? ''
  return builtInRoles.filter((role) =>
    clausesOf(filter).every((clause) => {
      if (clause.kind === 'call' && clause.name.toLowerCase() === 'atscopeandbelow') return true
      if (clause.kind !== 'equals') throw invalidFilter(filter)
      const found = { rolename: role.roleName, type: 'BuiltInRole' }[clause.field.toLowerCase()]
      if (found === undefined) throw invalidFilter(filter)
      return found.toLowerCase() === clause.value.toLowerCase()
    }),
  )
}

/** Without a filter: what holds at the scope, from above and below. `atScope()` leaves out what is below. */
function filterAssignments(scope: string, url: URL, roles: RoleAssignments): RoleAssignment[] {
  const filter = url.searchParams.get('$filter') ?? ''
  const clauses = clausesOf(filter)
  const here = scope.toLowerCase()
  return [...roles.all()].filter((assignment) => {
    const there = assignment.scope.toLowerCase()
    const isAtOrAbove = isWithin(here, there)
    if (!isAtOrAbove && !isWithin(there, here)) return false
    return clauses.every((clause) => {
      if (clause.kind === 'call' && clause.name.toLowerCase() === 'atscope') return isAtOrAbove
      const isPrincipal =
        (clause.kind === 'call' && clause.name.toLowerCase() === 'assignedto') ||
        (clause.kind === 'equals' && clause.field.toLowerCase() === 'principalid')
      if (!isPrincipal) throw invalidFilter(filter)
      const wanted = clause.kind === 'equals' ? clause.value : clause.arguments.at(-1)
      return assignment.principalId === wanted?.toLowerCase()
    })
  })
}

function clausesOf(filter: string) {
  return (
    parseFilter(filter) ??
    (() => {
      throw invalidFilter(filter)
    })()
  )
}

function invalidFilter(filter: string): ArmError {
  return new ArmError(400, 'InvalidFilter', `The filter '${filter}' is not understood by the local Azure.`)
}
