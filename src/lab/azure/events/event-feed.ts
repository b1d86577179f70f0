import { randomUUID } from 'node:crypto'
import { createWaiters } from './waiters.ts'

/** An event as Azure Event Grid delivers it. https://learn.microsoft.com/azure/event-grid/event-schema */
export interface GridEvent {
  id: string
  /** Resource id of the vault. */
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

/** Events since a cursor, and the cursor after them. */
export interface EventPage {
  events: GridEvent[]
  /** Cursor for the next request. */
  next: string
  /** True when events after the cursor were dropped, or when the cursor is from another process. */
  missed: boolean
}

/** The last events of this process. Readers send the cursor of their last page. */
export interface EventFeed {
  publish(event: Omit<GridEvent, 'id' | 'dataVersion' | 'metadataVersion'>): void
  /** Calls `listener` with each event from now on. Returns a function that ends it. */
  onEvent(listener: (event: GridEvent) => void): () => void
  /** The events after the cursor; without one, all that are stored. */
  after(cursor: string | undefined): EventPage
  /** The same, but waits for the first event, until the signal aborts. */
  wait(cursor: string | undefined, signal: AbortSignal): Promise<EventPage>
}

/** @param maxEvents older ones are dropped. */
export function createEventFeed(maxEvents = 5000): EventFeed {
  // A cursor is `<process>.<number of events before it>`.
  const process = randomUUID().slice(0, 8)
  const stored: GridEvent[] = []
  const waiters = createWaiters()
  const listeners = new Set<(event: GridEvent) => void>()
  let count = 0

  function after(cursor: string | undefined): EventPage {
    const first = count - stored.length
    const [of, number] = cursor?.split('.') ?? [process, String(first)]
    const position = of === process && /^\d+$/.test(number ?? '') ? Math.min(Number(number), count) : -1
    const missed = position < first
    return { events: stored.slice(missed ? 0 : position - first), next: `${process}.${count}`, missed }
  }

  return {
    publish(fields) {
      const event: GridEvent = { id: randomUUID(), ...fields, dataVersion: '1', metadataVersion: '1' }
      stored.push(event)
      count++
      if (stored.length > maxEvents) stored.shift()
      waiters.wakeAll()
      for (const listener of listeners) listener(event)
    },
    onEvent(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    after,
    async wait(cursor, signal) {
      const now = after(cursor)
      if (now.events.length > 0 || now.missed || signal.aborted) return now
      await waiters.next(signal)
      return after(cursor)
    },
  }
}
