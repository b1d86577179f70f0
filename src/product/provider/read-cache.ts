import { type Clock, systemClock } from '#lib'
import { providerLimits } from './provider-limits.ts'

/** Where a value came from. */
export type ReadOutcome = 'read' | 'joined' | 'shared' | 'stale'

/**
 * What a failed read means for an earlier answer: there was no answer (the earlier one may be used), the other side is busy (it
 * may not be used, and stays), or the caller is refused (it is dropped).
 */
export type FailureKind = 'outage' | 'busy' | 'refusal'

export interface ReadCacheOptions {
  /** For how long one answer serves other callers, counted from the moment it was asked for, in milliseconds. Default 5,000. */
  shareMs?: number | undefined
  /** Maximum age of an answer that is served during an outage, in milliseconds. Default 0: never. */
  staleMs?: number | undefined
  /** Size of all answers kept for an outage; the longest unused goes first. Default: see `providerLimits`. */
  staleBytes?: number | undefined
  clock?: Clock | undefined
  onOutcome?: ((outcome: ReadOutcome) => void) | undefined
}

export interface ReadOptions<T> {
  /** Oldest time, by `clock.elapsed()`, at which a shared answer was asked for. Default: {@link ReadCacheOptions.shareMs} ago. */
  notOlderThan?: number | undefined
  /** Whether an older answer may be used when `read` fails in an outage. */
  allowStale: boolean
  kindOf(error: unknown): FailureKind
  /** Bytes of an answer, about. */
  sizeOf(value: T): number
}

/**
 * One read serves the node: callers with the same key share an answer in flight, and for a few seconds after. Keys must
 * contain the identity that was proven; nothing here looks at who asks.
 */
export interface ReadCache {
  read<T>(key: string, read: () => Promise<T>, options: ReadOptions<T>): Promise<T>
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

interface Kept {
  value: unknown
  /** When it was asked for, on the monotonic clock. */
  at: number
  bytes: number
}

interface State {
  shareMs: number
  staleMs: number
  staleBytes: number
  clock: Clock
  onOutcome: (outcome: ReadOutcome) => void
  shared: Map<string, Shared>
  sharedBytes: number
  /** The longest unused comes first. */
  kept: Map<string, Kept>
  keptBytes: number
  cancelSweep: (() => void) | undefined
}

/** Longest time between two sweeps of what has become too old; also within what a timer can wait for. */
const maxSweepMs = 60 * 60_000

export function createReadCache(options: ReadCacheOptions = {}): ReadCache {
  const state: State = {
    shareMs: options.shareMs ?? 5000,
    staleMs: options.staleMs ?? 0,
    staleBytes: options.staleBytes ?? providerLimits.staleBytes.value,
    clock: options.clock ?? systemClock,
    onOutcome: options.onOutcome ?? (() => {}),
    shared: new Map(),
    sharedBytes: 0,
    kept: new Map(),
    keptBytes: 0,
    cancelSweep: undefined,
  }
  return {
    read: (key, read, readOptions) => readThrough(state, key, read, readOptions),
    stop() {
      state.cancelSweep?.()
      state.shared.clear()
      state.sharedBytes = 0
      state.kept.clear()
    },
  }
}

async function readThrough<T>(state: State, key: string, read: () => Promise<T>, options: ReadOptions<T>): Promise<T> {
  const shared = state.shared.get(key)
  const isNewEnough = shared !== undefined && shared.asked >= (options.notOlderThan ?? Number.NEGATIVE_INFINITY)
  if (isNewEnough && (shared.isPending || shared.until > state.clock.elapsed())) {
    state.onOutcome(shared.isPending ? 'joined' : 'shared')
    return shared.answer as Promise<T>
  }
  try {
    const value = await start(state, key, read, options)
    state.onOutcome('read')
    return value
  } catch (error) {
    const kept = state.kept.get(key)
    if (kept === undefined || !options.allowStale || options.kindOf(error) !== 'outage') throw error
    if (state.clock.elapsed() - kept.at > state.staleMs) throw error
    state.onOutcome('stale')
    return kept.value as T
  }
}

function start<T>(state: State, key: string, read: () => Promise<T>, { kindOf, sizeOf }: ReadOptions<T>): Promise<T> {
  const { clock, shareMs, staleMs, shared } = state
  const asked = clock.elapsed()
  const answer = read()
  const entry: Shared = { answer, asked, until: asked + shareMs, isPending: true, bytes: 0 }
  state.sharedBytes -= shared.get(key)?.bytes ?? 0
  shared.set(key, entry)
  const drop = () => {
    if (shared.get(key) !== entry) return
    shared.delete(key)
    state.sharedBytes -= entry.bytes
  }
  answer.then(
    (value) => {
      entry.isPending = false
      const bytes = sizeOf(value)
      if (staleMs > 0) keep(state, key, { value, at: asked, bytes })
      const rest = entry.until - clock.elapsed()
      if (shared.get(key) !== entry) return
      if (rest <= 0 || state.sharedBytes + bytes > providerLimits.sharedBytes.value) return drop()
      entry.bytes = bytes
      state.sharedBytes += bytes
      clock.after(rest, drop)
    },
    (error: unknown) => {
      drop()
      if (kindOf(error) === 'refusal') discard(state, key)
    },
  )
  return answer
}

function keep(state: State, key: string, kept: Kept): void {
  discard(state, key)
  state.kept.set(key, kept)
  state.keptBytes += kept.bytes
  for (const oldest of state.kept.keys()) {
    if (state.keptBytes <= state.staleBytes) break
    discard(state, oldest)
  }
  state.cancelSweep ??= state.clock.after(Math.min(state.staleMs, maxSweepMs), () => sweep(state))
}

function discard(state: State, key: string): void {
  state.keptBytes -= state.kept.get(key)?.bytes ?? 0
  state.kept.delete(key)
}

function sweep(state: State): void {
  state.cancelSweep = undefined
  const oldest = state.clock.elapsed() - state.staleMs
  for (const [key, { at }] of state.kept) if (at <= oldest) discard(state, key)
  if (state.kept.size > 0)
    state.cancelSweep = state.clock.after(Math.min(state.staleMs, maxSweepMs), () => sweep(state))
}
