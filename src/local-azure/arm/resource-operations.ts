import { type FilterClause, parseFilter } from '../http/odata-filter.ts'
import { ArmError } from './error-response.ts'
import type { ArmAnswer, ArmCall, ArmOperation } from './operation.ts'
import { type Resource, type ResourceKind, resourcesWithin } from './resource-kind.ts'
import { groupIdOf } from './resource-path.ts'

/** Lists across resource types. https://learn.microsoft.com/rest/api/resources/resources/list */
export function resourceOperations(kinds: readonly ResourceKind[]): ArmOperation[] {
  function list(call: ArmCall): ArmAnswer {
    const filter = call.url.searchParams.get('$filter') ?? ''
    const clauses = parseFilter(filter)
    if (clauses === undefined) throw invalidFilter(filter)
    const value = resourcesWithin(kinds, call.targetId)
      .filter((resource) => clauses.every((clause) => satisfies(resource, clause, filter)))
      .filter(({ id, type }) => call.may(`${type}/read`, id))
    return { status: 200, body: { value } }
  }

  return [
    {
      operation: 'arm.resource.list',
      method: 'GET',
      path: '/subscriptions/:subscription/resources',
      action: 'filtered',
      run: list,
    },
    {
      operation: 'arm.resource.listByGroup',
      method: 'GET',
      path: '/subscriptions/:subscription/resourcegroups/:group/resources',
      action: 'filtered',
      run: list,
    },
  ]
}

function satisfies(resource: Resource, clause: FilterClause, filter: string): boolean {
  if (clause.kind !== 'equals') throw invalidFilter(filter)
  const found = {
    resourcetype: resource.type,
    name: resource.name,
    location: resource.location,
    resourcegroup: groupIdOf(resource.id)?.split('/').at(-1) ?? '',
  }[clause.field.toLowerCase()]
  if (found === undefined) throw invalidFilter(filter)
  return found.toLowerCase() === clause.value.toLowerCase()
}

function invalidFilter(filter: string): ArmError {
  return new ArmError(
    400,
    'InvalidFilterInQueryString',
    `Invalid $filter '${filter}' specified in the query string: the local Azure knows resourceType, name, location and resourceGroup, compared by eq and joined by and.`,
  )
}
