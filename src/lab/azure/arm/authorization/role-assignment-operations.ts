import { z } from 'zod'
import type { Clock } from '#lib'
import { isWithin, type RoleAssignment, type RoleAssignments } from '../../access/role-assignments.ts'
import type { Directory } from '../../directory/directory.ts'
import type { Tenant } from '../../directory/tenant.ts'
import type { FilterClause } from '../../http/odata-filter.ts'
import { Refusal } from '../../http/refusal.ts'
import type { RecordStore } from '../../records/record-store.ts'
import type { ArmAnswer, ArmCall, ArmOperation } from '../operation.ts'
import { invalidFilter, readFilter } from '../read-filter.ts'
import type { ResourceKind } from '../resource-kind.ts'
import type { ResourceGroups } from '../resources/resource-groups.ts'
import { guidSchema } from '../validate.ts'
import { checkAssignableScope } from './assignable-scope.ts'
import { existingRole, roleDefinitionId } from './role-definition-operations.ts'

export interface RoleAssignmentOptions {
  store: RecordStore
  tenant: Tenant
  directory: Directory
  roles: RoleAssignments
  groups: ResourceGroups
  kinds: readonly ResourceKind[]
  clock: Clock
}

const onScope = '/:scope{.+}/providers/microsoft.authorization/roleassignments'
const type = 'Microsoft.Authorization/roleAssignments'

const putBody = z.object({
  properties: z.object({
    roleDefinitionId: z.string(),
    principalId: guidSchema,
    principalType: z.enum(['User', 'Group', 'ServicePrincipal', 'ForeignGroup', 'Device']).nullish(),
    description: z.string().max(1024).nullish(),
    condition: z.null('conditions are not implemented by the local Azure').optional(),
  }),
})

/** Role assignments, on any scope. https://learn.microsoft.com/rest/api/authorization/role-assignments */
export function roleAssignmentOperations(options: RoleAssignmentOptions): ArmOperation[] {
  const { store, tenant, directory, roles, groups, kinds, clock } = options
  const { subscriptionId } = tenant

  async function put(call: ArmCall): Promise<ArmAnswer> {
    const { scope } = call
    checkAssignableScope(scope, { subscriptionId, groups, kinds })
    const name = guidOf(call)
    const { properties } = await call.body(putBody)
    const role = existingRole(properties.roleDefinitionId)
    const { principalId } = properties
    checkPrincipal(principalId, properties.principalType ?? undefined)
    const before = roles.get(scope, name)
    checkUnique({ scope, name, roleName: role.name, principalId }, before)
    const now = new Date(clock.now()).toISOString()
    const assignment: RoleAssignment = {
      name,
      scope,
      roleName: role.name,
      principalId,
      principalType: properties.principalType ?? 'ServicePrincipal',
      ...(properties.description != null && { description: properties.description }),
      createdOn: before?.createdOn ?? now,
      updatedOn: now,
      createdBy: call.caller.oid,
    }
    store.commit([roles.put(assignment)])
    return { status: 201, body: render(assignment) }
  }

  function checkPrincipal(principalId: string, principalType: string | undefined): void {
    const id = principalId.replaceAll('-', '')
    if (directory.servicePrincipal(principalId) === undefined) {
      throw new Refusal(
        400,
        'PrincipalNotFound',
        `Principal ${id} does not exist in the directory ${tenant.tenantId}. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype`,
      )
    }
    if (principalType !== undefined && principalType !== 'ServicePrincipal') {
      const message = `The PrincipalId '${id}' has type 'ServicePrincipal' , which is different from specified PrinciaplType '${principalType}'.`
      throw new Refusal(400, 'UnmatchedPrincipalType', message)
    }
  }

  /** One assignment for the same role, principal and scope; and what is assigned cannot be changed to somebody else. */
  function checkUnique(
    wanted: Pick<RoleAssignment, 'scope' | 'name' | 'roleName' | 'principalId'>,
    before: RoleAssignment | undefined,
  ): void {
    const same = roles
      .ofPrincipal(wanted.principalId)
      .find(({ roleName, scope }) => roleName === wanted.roleName && scope.toLowerCase() === wanted.scope.toLowerCase())
    if (same !== undefined && same.name !== wanted.name) {
      const message = `The role assignment already exists. The ID of the existing role assignment is ${same.name.replaceAll('-', '')}.`
      throw new Refusal(409, 'RoleAssignmentExists', message)
    }
    if (before !== undefined && (before.principalId !== wanted.principalId || before.roleName !== wanted.roleName)) {
      const message = 'Tenant ID, application ID, principal ID, and scope are not allowed to be updated.'
      throw new Refusal(409, 'RoleAssignmentUpdateNotPermitted', message)
    }
  }

  function render({ scope, name, roleName, principalId, principalType, ...rest }: RoleAssignment) {
    return {
      id: `${scope}/providers/${type}/${name}`,
      type,
      name,
      properties: {
        roleDefinitionId: roleDefinitionId(subscriptionId, roleName),
        principalId,
        principalType,
        scope,
        condition: null,
        conditionVersion: null,
        createdOn: rest.createdOn,
        updatedOn: rest.updatedOn,
        createdBy: rest.createdBy,
        updatedBy: rest.createdBy,
        delegatedManagedIdentityResourceId: null,
        description: rest.description ?? null,
      },
    }
  }

  return [
    { operation: 'arm.roleAssignment.put', method: 'PUT', path: `${onScope}/:name`, action: `${type}/write`, run: put },
    {
      operation: 'arm.roleAssignment.get',
      method: 'GET',
      path: `${onScope}/:name`,
      action: `${type}/read`,
      run(call) {
        const assignment = roles.get(call.scope, call.name('name'))
        if (assignment !== undefined) return { status: 200, body: render(assignment) }
        const message = `The role assignment '${call.name('name')}' is not found.`
        throw new Refusal(404, 'RoleAssignmentNotFound', message)
      },
    },
    {
      operation: 'arm.roleAssignment.list',
      method: 'GET',
      path: onScope,
      action: `${type}/read`,
      run: (call) => ({ status: 200, body: { value: list(call, roles).map(render) } }),
    },
    {
      operation: 'arm.roleAssignment.delete',
      method: 'DELETE',
      path: `${onScope}/:name`,
      action: `${type}/delete`,
      run(call) {
        const assignment = roles.get(call.scope, call.name('name'))
        if (assignment === undefined) return { status: 204 }
        store.commit([roles.remove(assignment)])
        return { status: 200, body: render(assignment) }
      },
    },
  ]
}

function guidOf(call: ArmCall): string {
  const parsed = guidSchema.safeParse(call.name('name'))
  if (parsed.success) return parsed.data
  const message = `The role assignment ID '${call.name('name')}' is not valid. The role assignment ID must be a GUID.`
  throw new Refusal(400, 'InvalidRoleAssignmentId', message)
}

/** What holds at the scope, inherited from above, and below; the filter narrows it down. */
function list({ scope, url }: ArmCall, roles: RoleAssignments): RoleAssignment[] {
  const clauses = readFilter(url)
  const here = scope.toLowerCase()
  return [...roles.all()].filter((assignment) => {
    const there = assignment.scope.toLowerCase()
    const isAtOrAbove = isWithin(here, there)
    if (!isAtOrAbove && !isWithin(there, here)) return false
    return clauses.every((clause) => satisfies(assignment, clause, isAtOrAbove))
  })
}

function satisfies({ principalId }: RoleAssignment, clause: FilterClause, isAtOrAbove: boolean): boolean {
  const word = (clause.kind === 'call' ? clause.name : clause.field).toLowerCase()
  if (clause.kind === 'call' && word === 'atscope') return isAtOrAbove
  if (clause.kind === 'call' && word === 'assignedto') return principalId === clause.arguments.at(-1)?.toLowerCase()
  if (clause.kind === 'equals' && word === 'principalid') return principalId === clause.value.toLowerCase()
  throw invalidFilter(clause)
}
