import { randomUUID } from 'node:crypto'

/** An event as Azure Event Grid delivers it. https://learn.microsoft.com/azure/event-grid/event-schema */
export interface GridEvent {
  id: string
  /** Resource id of what it happened to. */
  topic: string
  subject: string
  /** For example `Microsoft.KeyVault.SecretNewVersionCreated`. */
  eventType: string
  /** ISO 8601. */
  eventTime: string
  data: Record<string, unknown>
  dataVersion: '1'
  metadataVersion: '1'
}

/** Events since a cursor, and the cursor behind them. */
export interface EventPage {
  events: GridEvent[]
  /** For the next question. */
  next: string
  /** That events between the cursor and these are not kept any more, or that the cursor is of another process. */
  missed: boolean
}

/** The last events of this process. Readers ask with the cursor that they got last. */
export interface EventFeed {
  publish(event: Omit<GridEvent, 'id' | 'dataVersion' | 'metadataVersion'>): void
  /** What came after the cursor; all that is kept without one. */
  after(cursor: string | undefined): EventPage
  /** The same, but when nothing has come it waits until something does, or the signal aborts. */
  wait(cursor: string | undefined, signal: AbortSignal): Promise<EventPage>
}

/** @param keepAtMost events; older ones are forgotten. */
export function createEventFeed(keepAtMost = 5000): EventFeed {
  // A cursor is `<process>.<number of events before it>`.
  const process = randomUUID().slice(0, 8)
  const kept: GridEvent[] = []
  const waiting = new Set<() => void>()
  let count = 0

  function after(cursor: string | undefined): EventPage {
    const first = count - kept.length
    const [of, number] = cursor?.split('.') ?? [process, String(first)]
    const position = of === process && /^\d+$/.test(number ?? '') ? Math.min(Number(number), count) : -1
    const missed = position < first
    return { events: kept.slice(missed ? 0 : position - first), next: `${process}.${count}`, missed }
  }

  return {
    publish(event) {
      kept.push({ id: randomUUID(), ...event, dataVersion: '1', metadataVersion: '1' })
      count++
      if (kept.length > keepAtMost) kept.shift()
      for (const wake of waiting) wake()
    },
    after,
    async wait(cursor, signal) {
      const now = after(cursor)
      if (now.events.length > 0 || now.missed || signal.aborted) return now
      await new Promise<void>((resolve) => {
        const done = () => {
          waiting.delete(done)
          signal.removeEventListener('abort', done)
          resolve()
        }
        waiting.add(done)
        signal.addEventListener('abort', done, { once: true })
      })
      return after(cursor)
    },
  }
}
