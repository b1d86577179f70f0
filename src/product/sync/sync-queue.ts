import { createHash } from 'node:crypto'
import type { Clock, Running } from '#lib'

export interface SyncQueueOptions {
  /** Rejects when it is to be tried again. */
  work(key: string, signal: AbortSignal): Promise<void>
  /** Time between two checks of a key in milliseconds; 0 for none. */
  intervalOf(key: string): number
  /** Jobs at once. Default 8. */
  workers?: number | undefined
  clock: Clock
  random?: (() => number) | undefined
}

/** Which key is worked on when. One key is never worked on twice at once. */
export interface SyncQueue extends Running {
  /** Now, or when the work that is under way has ended. */
  soon(key: string): void
  /** At its place in the interval, unless it is queued earlier. */
  later(key: string): void
  forget(key: string): void
  /** Milliseconds since the epoch of the next check; undefined for none. */
  nextAt(key: string): number | undefined
}

const backoff = { initialMs: 1000, maxMs: 300_000, jitter: 0.2 }

interface Entry {
  /** Of `clock.elapsed()`. */
  dueAt: number
  failures: number
  running: boolean
  /** Asked for while it was running. */
  again: boolean
}

/**
 * Keys become due at a place of their interval that their name decides, so that thousands of them make a flat line of reads.
 * After a failure a key is tried again with a growing delay.
 */
export function createSyncQueue(options: SyncQueueOptions): SyncQueue {
  const { work, intervalOf, workers = 8, clock, random = Math.random } = options
  const abort = new AbortController()
  const entries = new Map<string, Entry>()
  let running = 0
  let idle = Promise.withResolvers<void>()
  let cancelTimer = () => {}

  function start(key: string, entry: Entry): void {
    running++
    entry.running = true
    entry.again = false
    void work(key, abort.signal)
      .then(
        () => {
          entry.failures = 0
          entry.dueAt = nextPlace(key)
        },
        () => {
          entry.failures++
          entry.dueAt = clock.elapsed() + delayAfter(entry.failures)
        },
      )
      .finally(() => {
        running--
        entry.running = false
        if (entry.again) entry.dueAt = clock.elapsed()
        if (running === 0) idle.resolve()
        schedule()
      })
  }

  /** Starts what is due, oldest first, and sets the timer for the next. */
  function schedule(): void {
    cancelTimer()
    if (abort.signal.aborted) return
    const now = clock.elapsed()
    const waiting = [...entries].filter(([, { running: busy }]) => !busy).toSorted(([, a], [, b]) => a.dueAt - b.dueAt)
    for (const [key, entry] of waiting) {
      if (running >= workers) return
      if (entry.dueAt <= now) start(key, entry)
      else {
        if (entry.dueAt < Number.POSITIVE_INFINITY)
          cancelTimer = clock.after(Math.min(entry.dueAt - now, 600_000), schedule)
        return
      }
    }
  }

  function nextPlace(key: string): number {
    const interval = intervalOf(key)
    if (interval <= 0) return Number.POSITIVE_INFINITY
    const now = clock.elapsed()
    const place = placeOf(key) * interval
    return now + ((((place - now) % interval) + interval) % interval) || now + interval
  }

  function delayAfter(failures: number): number {
    const delay = Math.min(backoff.initialMs * 2 ** (failures - 1), backoff.maxMs)
    return delay * (1 + backoff.jitter * (2 * random() - 1))
  }

  function queue(key: string, dueAt: number): void {
    const entry = entries.get(key)
    if (entry === undefined) entries.set(key, { dueAt, failures: 0, running: false, again: false })
    else if (entry.running) entry.again ||= dueAt <= clock.elapsed()
    else entry.dueAt = Math.min(entry.dueAt, dueAt)
    schedule()
  }

  return {
    soon: (key) => queue(key, clock.elapsed()),
    later: (key) => queue(key, nextPlace(key)),
    forget: (key) => void entries.delete(key),
    nextAt(key) {
      const place = nextPlace(key)
      return place === Number.POSITIVE_INFINITY ? undefined : clock.now() + place - clock.elapsed()
    },
    async stop() {
      cancelTimer()
      abort.abort(new Error('the controller stops'))
      if (running === 0) return
      idle = Promise.withResolvers<void>()
      await idle.promise
    },
  }
}

/** 0 to 1, the same for the same key. */
function placeOf(key: string): number {
  return createHash('sha256').update(key).digest().readUInt32BE() / 2 ** 32
}
