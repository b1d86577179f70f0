import { z } from 'zod'
import type { Clock } from '#lib'
import { isWithin, type RoleAssignment, type RoleAssignments } from '../../access/role-assignments.ts'
import type { Directory } from '../../directory/directory.ts'
import type { Tenant } from '../../directory/tenant.ts'
import type { FilterClause } from '../../http/odata-filter.ts'
import { Refusal } from '../../http/refusal.ts'
import type { RecordStore } from '../../records/record-store.ts'
import { type ArmAnswer, type ArmCall, type ArmOperation, armOperation } from '../operation.ts'
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
  return [
    armOperation('arm.roleAssignment.put', 'PUT', `${onScope}/:name`, `${type}/write`, (call) => put(options, call)),
    armOperation('arm.roleAssignment.get', 'GET', `${onScope}/:name`, `${type}/read`, (call) => get(options, call)),
    armOperation('arm.roleAssignment.list', 'GET', onScope, `${type}/read`, (call) => list(options, call)),
    armOperation('arm.roleAssignment.delete', 'DELETE', `${onScope}/:name`, `${type}/delete`, (call) =>
      remove(options, call),
    ),
  ]
}

async function put(options: RoleAssignmentOptions, call: ArmCall): Promise<ArmAnswer> {
  const { store, tenant, roles, groups, kinds, clock } = options
  const { scope } = call
  checkAssignableScope(scope, { subscriptionId: tenant.subscriptionId, groups, kinds })
  const name = guidOf(call)
  const { properties } = await call.body(putBody)
  const { name: roleName } = existingRole(properties.roleDefinitionId)
  const { principalId, principalType, description } = properties
  checkPrincipal(options, principalId, principalType ?? undefined)
  const before = roles.get(scope, name)
  checkUnique(roles, { scope, name, roleName, principalId }, before)
  const now = new Date(clock.now()).toISOString()
  const assignment: RoleAssignment = {
    name,
    scope,
    roleName,
    principalId,
    principalType: principalType ?? 'ServicePrincipal',
    description: description ?? undefined,
    createdOn: before?.createdOn ?? now,
    updatedOn: now,
    createdBy: call.caller.oid,
  }
  store.commit([roles.put(assignment)])
  return { status: 201, body: render(assignment, tenant) }
}

function guidOf(call: ArmCall): string {
  const parsed = guidSchema.safeParse(call.name('name'))
  if (parsed.success) return parsed.data
  const message = `The role assignment ID '${call.name('name')}' is not valid. The role assignment ID must be a GUID.`
  throw new Refusal(400, 'InvalidRoleAssignmentId', message)
}

function checkPrincipal(
  { directory, tenant }: RoleAssignmentOptions,
  principalId: string,
  principalType: string | undefined,
): void {
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

/** There is one assignment per role, principal and scope, and an assignment cannot change its role or principal. */
function checkUnique(
  roles: RoleAssignments,
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

function get({ roles, tenant }: RoleAssignmentOptions, call: ArmCall): ArmAnswer {
  const assignment = roles.get(call.scope, call.name('name'))
  if (assignment !== undefined) return { status: 200, body: render(assignment, tenant) }
  const message = `The role assignment '${call.name('name')}' is not found.`
  throw new Refusal(404, 'RoleAssignmentNotFound', message)
}

/** The assignments that apply at the scope, inherited ones included, and those below it, narrowed by the filter. */
function list({ roles, tenant }: RoleAssignmentOptions, { scope, url }: ArmCall): ArmAnswer {
  const clauses = readFilter(url)
  const requested = scope.toLowerCase()
  const found = [...roles.all()].filter((assignment) => {
    const assigned = assignment.scope.toLowerCase()
    const isAtOrAbove = isWithin(requested, assigned)
    if (!isAtOrAbove && !isWithin(assigned, requested)) return false
    return clauses.every((clause) => satisfies(assignment, clause, isAtOrAbove))
  })
  return { status: 200, body: { value: found.map((assignment) => render(assignment, tenant)) } }
}

function satisfies({ principalId }: RoleAssignment, clause: FilterClause, isAtOrAbove: boolean): boolean {
  const word = (clause.kind === 'call' ? clause.name : clause.field).toLowerCase()
  if (clause.kind === 'call' && word === 'atscope') return isAtOrAbove
  if (clause.kind === 'call' && word === 'assignedto') return principalId === clause.arguments.at(-1)?.toLowerCase()
  if (clause.kind === 'equals' && word === 'principalid') return principalId === clause.value.toLowerCase()
  throw invalidFilter(clause)
}

function remove({ store, roles, tenant }: RoleAssignmentOptions, call: ArmCall): ArmAnswer {
  const assignment = roles.get(call.scope, call.name('name'))
  if (assignment === undefined) return { status: 204 }
  store.commit([roles.remove(assignment)])
  return { status: 200, body: render(assignment, tenant) }
}

function render(assignment: RoleAssignment, { subscriptionId }: Tenant) {
  const { scope, name, roleName, principalId, principalType, createdOn, updatedOn, createdBy, description } = assignment
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
      createdOn,
      updatedOn,
      createdBy,
      updatedBy: createdBy,
      delegatedManagedIdentityResourceId: null,
      description: description ?? null,
    },
  }
}
