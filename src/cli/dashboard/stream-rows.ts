import type { Row, ViewName } from '../status/rows.ts'
import { viewNames } from '../status/views.ts'
import type { Board, RowBoard } from './row-board.ts'

/** One line of the stream. */
export type StreamMessage =
  | {
      type: 'head'
      nowMs: number
      /** Whether all rows of the view have been sent. */
      isReady: boolean
      silentMs: number
      /** Why the API server does not answer; null where it does. */
      unreachable: string | null
      counts: Board['counts']
      /** Why a source is missing, by its noun. */
      missing: Record<string, string>
      /** Nouns of the missing sources of each view that has any: its rows are not all that there are. */
      partial: Partial<Record<ViewName, readonly string[]>>
    }
  | { type: 'reset' }
  | { type: 'set'; rows: readonly Row[] }
  | { type: 'gone'; keys: readonly string[] }

export interface StreamSource {
  board: RowBoard
  silentMs: () => number
  unreachable: () => string | null
  missing: () => ReadonlyMap<string, string>
  missingFor: (view: ViewName) => readonly string[]
}

/** Rows of one line: the first are shown while the rest is on its way. */
const rowsPerLine = 500
/** A line at least this often shows that the connection is alive. */
const aliveMs = 5000

/** The rows of a view as lines of JSON: first all of them, then what has changed, for as long as the browser reads. */
export async function* streamRows(
  view: ViewName,
  { board, silentMs, unreachable, missing, missingFor }: StreamSource,
  signal: AbortSignal,
): AsyncGenerator<string> {
  yield '{"type":"reset"}\n'
  let last: Board | undefined
  let sent: ReadonlyMap<string, Row> = new Map()
  let isReady = false
  while (!signal.aborted) {
    const now = await board.next(last, isReady ? aliveMs : 200, signal)
    // A class that is judged again does not make rows incomplete that have been sent.
    isReady ||= now.complete.has(view)
    const head: StreamMessage = {
      type: 'head',
      nowMs: now.nowMs,
      isReady,
      silentMs: silentMs(),
      unreachable: unreachable(),
      counts: now.counts,
      missing: Object.fromEntries(missing()),
      partial: partialViews(missingFor),
    }
    const rows = now.rows[view]
    if (rows !== sent) yield* changes(sent, rows)
    yield `${JSON.stringify(head)}\n`
    last = now
    sent = rows
  }
}

function partialViews(missingFor: StreamSource['missingFor']): Partial<Record<ViewName, readonly string[]>> {
  const all = viewNames.map((name) => [name, missingFor(name)] as const)
  return Object.fromEntries(all.filter(([, nouns]) => nouns.length > 0))
}

function* changes(sent: ReadonlyMap<string, Row>, rows: ReadonlyMap<string, Row>): Generator<string> {
  const gone = [...sent.keys()].filter((key) => !rows.has(key))
  if (gone.length > 0) yield `${JSON.stringify({ type: 'gone', keys: gone })}\n`
  const changed = [...rows].flatMap(([key, row]) => (sent.get(key) === row ? [] : [row]))
  for (let i = 0; i < changed.length; i += rowsPerLine) {
    const line: StreamMessage = { type: 'set', rows: changed.slice(i, i + rowsPerLine) }
    yield `${JSON.stringify(line)}\n`
  }
}
