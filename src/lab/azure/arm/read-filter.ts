import { type FilterClause, parseFilter } from '../http/odata-filter.ts'
import { Refusal } from '../http/refusal.ts'

/** The clauses of a request's `$filter`. Throws {@link Refusal} when it cannot be read. */
export function readFilter(url: URL): FilterClause[] {
  const filter = url.searchParams.get('$filter') ?? ''
  const clauses = parseFilter(filter)
  if (clauses !== undefined) return clauses
  throw new Refusal(
    400,
    'InvalidFilterInQueryString',
    `Invalid $filter '${filter}' specified in the query string: the local Azure supports comparisons by eq and function calls, joined by and.`,
  )
}

/** Refuses a clause that this operation does not support. */
export function invalidFilter(clause: FilterClause): Refusal {
  const what = clause.kind === 'call' ? `the function '${clause.name}'` : `the field '${clause.field}'`
  return new Refusal(
    400,
    'InvalidFilterInQueryString',
    `Invalid $filter: the local Azure does not filter by ${what} here.`,
  )
}
