import type { ViewName } from '../status/rows.ts'
import type { Board, BoardEntry, RowBoard } from './row-board.ts'

/** One line of the stream. */
export type StreamMessage =
  | {
      type: 'head'
      nowMs: number
      isReady: boolean
      silentMs: number
      counts: Board['counts']
      missing: Record<string, string>
    }
  | { type: 'reset' }
  | { type: 'set'; rows: readonly unknown[] }
  | { type: 'gone'; keys: readonly string[] }

export interface StreamSource {
  board: RowBoard
  isReady: () => boolean
  silentMs: () => number
  missing: () => ReadonlyMap<string, string>
}

/** Rows of one line: the first are shown while the rest is on its way. */
const rowsPerLine = 500
/** A line at least this often shows that the connection is alive. */
const aliveMs = 5000

/** The rows of a view as lines of JSON: first all of them, then what has changed, for as long as the browser reads. */
export async function* streamRows(
  view: ViewName,
  { board, isReady, silentMs, missing }: StreamSource,
  signal: AbortSignal,
): AsyncGenerator<string> {
  yield '{"type":"reset"}\n'
  let last: Board | undefined
  let sent: ReadonlyMap<string, BoardEntry> = new Map()
  while (!signal.aborted) {
    const now = await board.next(last, last === undefined || !isReady() ? 200 : aliveMs, signal)
    const head: StreamMessage = {
      type: 'head',
      nowMs: now.nowMs,
      isReady: isReady(),
      silentMs: silentMs(),
      counts: now.counts,
      missing: Object.fromEntries(missing()),
    }
    const rows = now.rows[view]
    if (rows !== sent) yield* changes(sent, rows)
    yield `${JSON.stringify(head)}\n`
    last = now
    sent = rows
  }
}

function* changes(sent: ReadonlyMap<string, BoardEntry>, rows: ReadonlyMap<string, BoardEntry>): Generator<string> {
  const gone = [...sent.keys()].filter((key) => !rows.has(key))
  if (gone.length > 0) yield `${JSON.stringify({ type: 'gone', keys: gone })}\n`
  let texts: string[] = []
  for (const [key, entry] of rows) {
    if (sent.get(key) === entry) continue
    texts.push(entry.text)
    if (texts.length < rowsPerLine) continue
    yield `{"type":"set","rows":[${texts.join(',')}]}\n`
    texts = []
  }
  if (texts.length > 0) yield `{"type":"set","rows":[${texts.join(',')}]}\n`
}
