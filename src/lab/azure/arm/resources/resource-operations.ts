import type { FilterClause } from '../../http/odata-filter.ts'
import { type ArmAnswer, type ArmCall, type ArmOperation, armOperation } from '../operation.ts'
import { invalidFilter, readFilter } from '../read-filter.ts'
import { type Resource, type ResourceKind, resourcesWithin } from '../resource-kind.ts'
import { groupNameOf } from '../resource-path.ts'

/** Lists across resource types. https://learn.microsoft.com/rest/api/resources/resources/list */
export function resourceOperations(kinds: readonly ResourceKind[]): ArmOperation[] {
  function list(call: ArmCall): ArmAnswer {
    const clauses = readFilter(call.url)
    const value = resourcesWithin(kinds, call.targetId)
      .filter((resource) => clauses.every((clause) => satisfies(resource, clause)))
      .filter(({ id, type }) => call.may(`${type}/read`, id))
    return { status: 200, body: { value } }
  }

  return [
    armOperation('arm.resource.list', 'GET', '/subscriptions/:subscription/resources', 'filtered', list),
    armOperation(
      'arm.resource.listByGroup',
      'GET',
      '/subscriptions/:subscription/resourcegroups/:group/resources',
      'filtered',
      list,
    ),
  ]
}

/** The fields that resources can be filtered by, in lower case. */
const fields: ReadonlyMap<string, (resource: Resource) => string> = new Map([
  ['resourcetype', ({ type }) => type],
  ['name', ({ name }) => name],
  ['location', ({ location }) => location],
  ['resourcegroup', ({ id }) => groupNameOf(id) ?? ''],
])

function satisfies(resource: Resource, clause: FilterClause): boolean {
  const read = clause.kind === 'equals' ? fields.get(clause.field.toLowerCase()) : undefined
  if (clause.kind !== 'equals' || read === undefined) throw invalidFilter(clause)
  return read(resource).toLowerCase() === clause.value.toLowerCase()
}
