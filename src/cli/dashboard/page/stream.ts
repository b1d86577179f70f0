import type { Row, ViewName } from '../../status/rows.ts'
import { ApiError, send } from './session.ts'

export interface Head {
  nowMs: number
  /** Whether all rows of the view are here. */
  isReady: boolean
  silentMs: number
  /** Why the API server does not answer; null where it does. */
  unreachable: string | null
  /** Of the views whose objects have been read. */
  counts: Partial<Record<ViewName, { all: number; bad: number; warn: number }>>
  missing: Record<string, string>
  /** Nouns of what could not be read, of each view that is made of it. */
  partial: Partial<Record<ViewName, readonly string[]>>
}

export interface StreamHandlers {
  onReset(): void
  onRows(rows: readonly Row[]): void
  onGone(keys: readonly string[]): void
  onHead(head: Head): void
  /** The connection has ended; it is opened again. */
  onLost(): void
  onSignedOut(): void
}

type Message =
  | ({ type: 'head' } & Head)
  | { type: 'reset' }
  | { type: 'set'; rows: readonly Row[] }
  | { type: 'gone'; keys: readonly string[] }

const pauseMs = 1500

/** Follows the rows of a view until the signal aborts. */
export async function followRows(view: ViewName, handlers: StreamHandlers, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const response = await send(`/api/rows/${view}`, { signal })
      for await (const line of linesOf(response)) {
        if (signal.aborted) return
        handle(JSON.parse(line) as Message, handlers)
      }
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof ApiError && error.status === 401) {
        handlers.onSignedOut()
        return
      }
    }
    if (signal.aborted) return
    handlers.onLost()
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

function handle(message: Message, handlers: StreamHandlers): void {
  if (message.type === 'reset') handlers.onReset()
  else if (message.type === 'set') handlers.onRows(message.rows)
  else if (message.type === 'gone') handlers.onGone(message.keys)
  else handlers.onHead(message)
}

async function* linesOf({ body }: Response): AsyncGenerator<string> {
  if (body === null) return
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let pieces: string[] = []
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    let start = 0
    for (let end = value.indexOf('\n'); end >= 0; end = value.indexOf('\n', start)) {
      pieces.push(value.slice(start, end))
      yield pieces.join('')
      pieces = []
      start = end + 1
    }
    pieces.push(value.slice(start))
  }
}
