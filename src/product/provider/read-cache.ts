import { type Clock, systemClock } from '#lib'
import { providerLimits } from './provider-limits.ts'

/** Where a value came from: a read of its caller's own, one in flight, or one of the last seconds. */
export type ReadOutcome = 'read' | 'joined' | 'shared'

export interface ReadCacheOptions {
  /** For how long one answer serves other callers, counted from the moment it was asked for, in milliseconds. Default 5,000. */
  shareMs?: number | undefined
  clock?: Clock | undefined
}

export interface ReadOptions<T> {
  /** Oldest time, by `clock.elapsed()`, at which a shared answer was asked for. Default: {@link ReadCacheOptions.shareMs} ago. */
  notOlderThan?: number | undefined
  /** Bytes of an answer, about. */
  sizeOf(value: T): number
}

export interface ReadAnswer<T> {
  value: T
  outcome: ReadOutcome
  /** When it was asked for, by `clock.elapsed()`. */
  asked: number
}

/**
 * One read serves the node: callers with the same key share an answer in flight, and for a few seconds after. Keys must
 * contain the identity that was proven; nothing here looks at who asks.
 */
export interface ReadCache {
  read<T>(key: string, read: () => Promise<T>, options: ReadOptions<T>): Promise<ReadAnswer<T>>
  stop(): void
}

interface Shared {
  answer: Promise<unknown>
  /** When it was asked for, by `clock.elapsed()`. */
  asked: number
  until: number
  isPending: boolean
  bytes: number
}

interface State {
  shareMs: number
  clock: Clock
  shared: Map<string, Shared>
  sharedBytes: number
}

export function createReadCache({ shareMs = 5000, clock = systemClock }: ReadCacheOptions = {}): ReadCache {
  const state: State = { shareMs, clock, shared: new Map(), sharedBytes: 0 }
  return {
    read: (key, read, options) => readThrough(state, key, read, options),
    stop() {
      state.shared.clear()
      state.sharedBytes = 0
    },
  }
}

async function readThrough<T>(
  state: State,
  key: string,
  read: () => Promise<T>,
  options: ReadOptions<T>,
): Promise<ReadAnswer<T>> {
  const shared = state.shared.get(key)
  const isNewEnough = shared !== undefined && shared.asked >= (options.notOlderThan ?? Number.NEGATIVE_INFINITY)
  if (isNewEnough && (shared.isPending || shared.until > state.clock.elapsed())) {
    const { asked, isPending } = shared
    return { value: (await shared.answer) as T, outcome: isPending ? 'joined' : 'shared', asked }
  }
  const asked = state.clock.elapsed()
  return { value: await start(state, key, read, asked, options), outcome: 'read', asked }
}

function start<T>(
  state: State,
  key: string,
  read: () => Promise<T>,
  asked: number,
  { sizeOf }: ReadOptions<T>,
): Promise<T> {
  const { clock, shareMs, shared } = state
  const answer = read()
  const entry: Shared = { answer, asked, until: asked + shareMs, isPending: true, bytes: 0 }
  state.sharedBytes -= shared.get(key)?.bytes ?? 0
  shared.set(key, entry)
  const drop = () => {
    if (shared.get(key) !== entry) return
    shared.delete(key)
    state.sharedBytes -= entry.bytes
  }
  answer.then((value) => {
    entry.isPending = false
    const bytes = sizeOf(value)
    const rest = entry.until - clock.elapsed()
    if (shared.get(key) !== entry) return
    if (rest <= 0 || state.sharedBytes + bytes > providerLimits.sharedBytes.value) return drop()
    entry.bytes = bytes
    state.sharedBytes += bytes
    clock.after(rest, drop)
  }, drop)
  return answer
}
