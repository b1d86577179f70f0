import { type Clock, systemClock } from '#lib'

/** How a value was come by. */
export type ReadOutcome = 'read' | 'joined' | 'shared' | 'stale'

export interface ReadCacheOptions {
  /** For how long one answer serves other callers, counted from the moment it was asked for, in milliseconds. Default 5,000. */
  shareMs?: number
  /** How old an answer may be to stand in during an outage, in milliseconds. Default 0: never. */
  staleMs?: number
  /** Answers kept for an outage; the longest unused goes first. Default 10,000. */
  maxStale?: number
  clock?: Clock
  onOutcome?: (outcome: ReadOutcome) => void
}

export interface ReadOptions {
  /** Whether an older answer may stand in when `read` fails for a passing reason. */
  allowStale: boolean
  isPassing: (error: unknown) => boolean
}

/**
 * One read serves the node: callers with the same key share an answer in flight, and for a few seconds after. Keys must
 * contain the identity that was proven; nothing here looks at who asks.
 */
export interface ReadCache {
  read<T>(key: string, read: () => Promise<T>, options: ReadOptions): Promise<T>
  stop(): void
}

interface Shared {
  answer: Promise<unknown>
  until: number
  settled: boolean
}

export function createReadCache(options: ReadCacheOptions = {}): ReadCache {
  const { shareMs = 5000, staleMs = 0, maxStale = 10_000, clock = systemClock, onOutcome = () => {} } = options
  const shared = new Map<string, Shared>()
  const lastGood = new Map<string, { value: unknown; at: number }>()

  function start<T>(key: string, read: () => Promise<T>): Promise<T> {
    const asked = clock.now()
    const answer = read()
    const entry: Shared = { answer, until: asked + shareMs, settled: false }
    shared.set(key, entry)
    const drop = () => {
      if (shared.get(key) === entry) shared.delete(key)
    }
    answer.then((value) => {
      entry.settled = true
      if (staleMs > 0) remember(key, value, asked)
      const rest = entry.until - clock.now()
      if (rest > 0) clock.after(rest, drop)
      else drop()
    }, drop)
    return answer
  }

  function remember(key: string, value: unknown, at: number): void {
    lastGood.delete(key)
    lastGood.set(key, { value, at })
    for (const oldest of lastGood.keys()) {
      if (lastGood.size <= maxStale) break
      lastGood.delete(oldest)
    }
    clock.after(staleMs, () => {
      if ((lastGood.get(key)?.at ?? Number.POSITIVE_INFINITY) <= at) lastGood.delete(key)
    })
  }

  return {
    async read<T>(key: string, read: () => Promise<T>, { allowStale, isPassing }: ReadOptions): Promise<T> {
      const known = shared.get(key)
      if (known !== undefined && (!known.settled || known.until > clock.now())) {
        onOutcome(known.settled ? 'shared' : 'joined')
        return known.answer as Promise<T>
      }
      try {
        const value = await start(key, read)
        onOutcome('read')
        return value
      } catch (error) {
        const kept = lastGood.get(key)
        if (!allowStale || kept === undefined || clock.now() - kept.at > staleMs || !isPassing(error)) throw error
        onOutcome('stale')
        return kept.value as T
      }
    },
    stop() {
      shared.clear()
      lastGood.clear()
    },
  }
}
