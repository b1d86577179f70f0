import type { z } from 'zod'
import { type FilterClause, parseFilter } from '../http/odata-filter.ts'
import { Refusal } from '../http/refusal.ts'

/** One operation of Microsoft Graph. The service is the table of them. */
export interface GraphOperation {
  /** The name that is counted, for example `graph.servicePrincipal.list`. */
  operation: string
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  path: string
  run(call: GraphCall): GraphAnswer | Promise<GraphAnswer>
}

/** A row of the table of operations. */
export function graphOperation(
  operation: string,
  method: GraphOperation['method'],
  path: string,
  run: GraphOperation['run'],
): GraphOperation {
  return { operation, method, path, run }
}

export interface GraphCall {
  /** Object id of the caller. */
  callerId: string
  /** A name in the path. */
  name(parameter: string): string
  url: URL
  /** The JSON body in the shape of `schema`. Throws {@link Refusal} with every problem. */
  body<T extends z.ZodType>(schema: T): Promise<z.output<T>>
}

/** A body, or a status without one. */
export type GraphAnswer =
  | {
      status: 200 | 201
      /** Fragment of `@odata.context`, for example `servicePrincipals`. */
      context: string
      body: Record<string, unknown>
    }
  | { status: 204 }

/** The objects that match the request's `$filter`, which names fields of their JSON. Throws {@link Refusal}. */
export function filtered<T extends Record<string, unknown>>(url: URL, objects: readonly T[]): T[] {
  const filter = url.searchParams.get('$filter') ?? ''
  const clauses = parseFilter(filter)
  if (clauses === undefined) throw unsupported(`Unsupported or invalid query filter clause: ${filter}`)
  return objects.filter((object) => clauses.every((clause) => satisfies(object, clause)))
}

function satisfies(object: Record<string, unknown>, clause: FilterClause): boolean {
  const { field, value, test } = comparisonOf(clause)
  const found = Object.hasOwn(object, field) ? object[field] : undefined
  if (found === undefined) throw unsupported(`Unsupported query on ${field}.`)
  // Graph compares strings case-insensitively.
  return [found].flat().some((word) => test(String(word).toLowerCase(), value.toLowerCase()))
}

function comparisonOf(clause: FilterClause) {
  const equal = (a: string, b: string) => a === b
  if (clause.kind !== 'call') return { ...clause, test: equal }
  const [field, value] = clause.arguments
  if (clause.name.toLowerCase() !== 'startswith' || field === undefined || value === undefined) {
    throw unsupported(`Unsupported function ${clause.name}.`)
  }
  return { field, value, test: (a: string, b: string) => a.startsWith(b) }
}

function unsupported(message: string): Refusal {
  return new Refusal(400, 'Request_UnsupportedQuery', message)
}
