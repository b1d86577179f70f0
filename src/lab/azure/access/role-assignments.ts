import type { Change, RecordStore } from '../records/record-store.ts'
import { createActionMatch } from './action-match.ts'
import { builtInRoles } from './role-definitions.ts'

export interface RoleAssignment {
  /** A GUID that its creator chose. */
  name: string
  /** The scope, which includes everything below it, in its creator's casing and without a trailing slash. */
  scope: string
  /** GUID of the role. */
  roleName: string
  principalId: string
  principalType: string
  description?: string | undefined
  createdOn: string
  updatedOn: string
  createdBy: string
}

/** Access by roles: denied unless an assignment at the scope or above it allows the action. */
export interface RoleAssignments {
  /** May the principal do `action` on the resource with this id? */
  permits(principalId: string, action: string, resourceId: string): boolean
  /** May the principal do `dataAction` inside the resource with this id? */
  permitsData(principalId: string, dataAction: string, resourceId: string): boolean
  /** All assignments of one principal. */
  ofPrincipal(principalId: string): readonly RoleAssignment[]
  all(): Iterable<RoleAssignment>
  get(scope: string, name: string): RoleAssignment | undefined
  put(assignment: RoleAssignment): Change
  remove(assignment: RoleAssignment): Change
  /** The changes that remove the assignments on a resource that is deleted, and below it. */
  removeUnder(resourceId: string): Change[]
}

const matches = new Map(
  builtInRoles.map((role) => [
    role.name,
    {
      action: createActionMatch(role.actions, role.notActions),
      data: createActionMatch(role.dataActions, role.notDataActions),
    },
  ]),
)

export function createRoleAssignments(store: RecordStore): RoleAssignments {
  const collection = store.collection<RoleAssignment>('role-assignments')
  const byPrincipal = new Map<string, Map<string, { assignment: RoleAssignment; scope: string }>>()
  collection.observe((key, after, before) => {
    if (before !== undefined) byPrincipal.get(before.principalId)?.delete(key)
    if (after === undefined) return
    const ofPrincipal = byPrincipal.get(after.principalId) ?? new Map()
    byPrincipal.set(after.principalId, ofPrincipal)
    ofPrincipal.set(key, { assignment: after, scope: after.scope.toLowerCase() })
  })

  function decide(kind: 'action' | 'data', principalId: string, action: string, resourceId: string): boolean {
    const assignments = byPrincipal.get(principalId)
    if (assignments === undefined) return false
    const resource = resourceId.toLowerCase()
    for (const { assignment, scope } of assignments.values()) {
      if (isWithin(resource, scope) && matches.get(assignment.roleName)?.[kind](action) === true) return true
    }
    return false
  }

  return {
    permits: (principalId, action, resourceId) => decide('action', principalId, action, resourceId),
    permitsData: (principalId, dataAction, resourceId) => decide('data', principalId, dataAction, resourceId),
    ofPrincipal: (principalId) =>
      [...(byPrincipal.get(principalId)?.values() ?? [])].map(({ assignment }) => assignment),
    all: () => collection.values(),
    get: (scope, name) => collection.get(keyOf({ scope, name })),
    put: (assignment) => collection.put(keyOf(assignment), assignment),
    remove: (assignment) => collection.remove(keyOf(assignment)),
    removeUnder(resourceId) {
      const root = resourceId.toLowerCase()
      return [...collection.values()]
        .filter(({ scope }) => isWithin(scope.toLowerCase(), root))
        .map((assignment) => collection.remove(keyOf(assignment)))
    },
  }
}

/** True when `resource` is `scope` or below it. Both lower case, without a trailing slash; the scope of the tenant is empty. */
export function isWithin(resource: string, scope: string): boolean {
  return resource.startsWith(scope) && (resource.length === scope.length || resource[scope.length] === '/')
}

function keyOf({ scope, name }: { scope: string; name: string }): string {
  return `${scope}/${name}`.toLowerCase()
}
