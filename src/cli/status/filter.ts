import type { Row } from './rows.ts'
import type { View } from './views.ts'

/**
 * The filter of `keymount status --filter` and of the page: words that all have to be found. `shop` anywhere, `ns:shop` in a column,
 * `ns=shop` as the whole of a column, `state:failing,stale` one of several, `-class:db` not. This file also runs in the browser.
 */
export interface Filter {
  readonly terms: readonly Term[]
  /** Columns that the view does not have: such a filter finds nothing. */
  readonly unknown: readonly string[]
}

interface Term {
  column: string | undefined
  values: readonly string[]
  isWhole: boolean
  isNot: boolean
}

/** A longer one is cut off. */
const longest = 500

export function parseFilter(text: string, view: View): Filter {
  const words = text
    .slice(0, longest)
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
  const terms = words.map((word) => parseTerm(word, view))
  const unknown = terms.flatMap(({ column }) => (column?.startsWith('?') ? [column.slice(1)] : []))
  return { terms: terms.filter(({ values }) => values.length > 0), unknown }
}

function parseTerm(word: string, view: View): Term {
  const isNot = word.startsWith('-') && word.length > 1
  const rest = isNot ? word.slice(1) : word
  const at = rest.search(/[:=]/)
  const name = at < 1 ? undefined : rest.slice(0, at)
  // A colon may also be part of what is searched for; a name alone before it is meant as a column.
  if (name === undefined || !/^[a-z]+$/.test(name)) return { column: undefined, values: [rest], isWhole: false, isNot }
  const found = view.columns.find(({ id, aliases = [] }) => id === name || aliases.includes(name))
  const values = rest
    .slice(at + 1)
    .split(',')
    .filter((value) => value !== '')
  return { column: found?.id ?? `?${name}`, values, isWhole: rest[at] === '=', isNot }
}

/** The rows that a filter lets through, in their order. */
export function filterRows<R extends Row>(view: View<R>, rows: readonly R[], filter: Filter, nowMs: number): R[] {
  if (filter.terms.length === 0 && filter.unknown.length === 0) return [...rows]
  if (filter.unknown.length > 0) return []
  const columns = new Map(view.columns.map((column) => [column.id, column]))
  return rows.filter((row) => filter.terms.every((term) => matches(row, term, columns, nowMs)))
}

function matches<R extends Row>(
  row: R,
  { column: id, values, isWhole, isNot }: Term,
  columns: ReadonlyMap<string, View<R>['columns'][number]>,
  nowMs: number,
): boolean {
  const texts: string[] = []
  if (id === undefined) for (const column of columns.values()) texts.push(column.text(row, nowMs).toLowerCase())
  else texts.push(columns.get(id)?.text(row, nowMs).toLowerCase() ?? '')
  const isFound = values.some((value) => texts.some((text) => (isWhole ? text === value : text.includes(value))))
  return isFound !== isNot
}
