/**
 * The subset of OData's `$filter` that Azure's clients send: clauses joined by `and`.
 * https://docs.oasis-open.org/odata/odata/v4.01/odata-v4.01-part2-url-conventions.html
 */
export type FilterClause =
  /** `resourceType eq 'X'` */
  | { kind: 'equals'; field: string; value: string }
  /** `startswith(displayName,'X')`, `assignedTo('X')`, `atScope()` */
  | { kind: 'call'; name: string; arguments: string[] }
  /** `servicePrincipalNames/any(c:c eq 'X')` */
  | { kind: 'any'; field: string; value: string }

const text = "'((?:[^']|'')*)'"
const equals = new RegExp(String.raw`^([\w/]+)\s+eq\s+${text}$`, 'i')
const any = new RegExp(String.raw`^(\w+)/any\(\s*(\w+)\s*:\s*\2\s+eq\s+${text}\s*\)$`, 'i')
const call = new RegExp(String.raw`^(\w+)\(\s*(?:(\w+)\s*,\s*)?(?:${text})?\s*\)$`, 'i')

/** The clauses; undefined when the filter is not supported. */
export function parseFilter(filter: string): FilterClause[] | undefined {
  const clauses: FilterClause[] = []
  for (const part of splitAtAnd(filter)) {
    const clause = parseClause(part)
    if (clause === undefined) return undefined
    clauses.push(clause)
  }
  return clauses
}

function parseClause(part: string): FilterClause | undefined {
  const isEquals = equals.exec(part)
  if (isEquals !== null) return { kind: 'equals', field: isEquals[1] ?? '', value: unquote(isEquals[2]) }
  const isAny = any.exec(part)
  if (isAny !== null) return { kind: 'any', field: isAny[1] ?? '', value: unquote(isAny[3]) }
  const isCall = call.exec(part)
  if (isCall === null) return undefined
  const [, name = '', field, value] = isCall
  const values = [field, value === undefined ? undefined : unquote(value)].filter((word) => word !== undefined)
  return { kind: 'call', name, arguments: values }
}

function unquote(quoted = ''): string {
  return quoted.replaceAll("''", "'")
}

/** Splits at ` and ` outside of quotes. */
function splitAtAnd(filter: string): string[] {
  const parts = filter.match(/(?:'(?:[^']|'')*'|(?!\sand\s)[^'])+/gi) ?? []
  return parts.map((part) => part.trim().replace(/^and\s+/i, '')).filter((part) => part !== '')
}
