import { createHash } from 'node:crypto'
import type { Clock, Running } from '#lib'
import { backoffMs, createFairSlots, createTurnQueue, type FairSlots, type TurnQueue } from '#lib/async'

/** When a key is worked on again: at its place in the interval, after a delay that grows, or only when it is asked for. */
export type Next = 'interval' | 'backoff' | 'asked'

export interface SyncQueueOptions {
  /** One that rejects is tried again after a delay. */
  work(key: string, signal: AbortSignal): Promise<Next>
  /** Time between two checks of a key in milliseconds; 0 for none. */
  intervalOf(key: string): number
  /** Jobs at once. Default 8. One owner (the part of a key before its first `/`) leaves a quarter of them to others. */
  workers?: number | undefined
  clock: Clock
  random?: (() => number) | undefined
}

/** Which key is worked on when. One key is never worked on twice at once. */
export interface SyncQueue extends Running {
  /** Now, or when the work that is under way has ended. */
  soon(key: string): void
  /** Within two minutes or the interval if that is shorter, at a place that the key decides, unless it is queued already. */
  later(key: string): void
  forget(key: string): void
  /** Whether more keys wait for a worker than there are workers. */
  isBusy(): boolean
  /** Milliseconds since the epoch of the next check; undefined for none. */
  nextAt(key: string): number | undefined
}

const backoff = { initialMs: 1000, maxMs: 300_000, jitter: 0.2 }

/** Checks after a start are spread over this time at most. */
const spreadMs = 120_000

/** A timer further away than this is set in steps, because Node's timers end at 24.8 days. */
const maxWaitMs = 3_600_000

interface Entry {
  key: string
  owner: string
  state: 'waiting' | 'ready' | 'running'
  /** Cancels the timer of an entry that waits. */
  cancel(): void
  failures: number
  /** Asked for while it was running. */
  again: boolean
  /** Forgotten while it was running. */
  forgotten: boolean
}

interface Queue {
  options: SyncQueueOptions
  random: () => number
  abort: AbortController
  entries: Map<string, Entry>
  ready: TurnQueue<Entry>
  slots: FairSlots
  running: number
  idle: PromiseWithResolvers<void>
}

/**
 * Keys become due at a place of their interval that their name decides, so that thousands of them make a flat line of reads.
 * Namespaces take turns, and the slow provider of one leaves workers to the others.
 */
export function createSyncQueue(options: SyncQueueOptions): SyncQueue {
  const { workers = 8, random = Math.random } = options
  const queue: Queue = {
    options,
    random,
    abort: new AbortController(),
    entries: new Map(),
    ready: createTurnQueue(),
    slots: createFairSlots(workers, Math.max(1, workers - Math.ceil(workers / 4))),
    running: 0,
    idle: Promise.withResolvers(),
  }
  return {
    soon: (key) => soon(queue, key),
    later: (key) => later(queue, key),
    forget: (key) => forget(queue, key),
    isBusy: () => queue.ready.size > workers,
    nextAt(key) {
      const wait = untilPlace(queue, key)
      return wait === Number.POSITIVE_INFINITY ? undefined : options.clock.now() + wait
    },
    stop: () => stop(queue),
  }
}

function soon(queue: Queue, key: string): void {
  const entry = queue.entries.get(key) ?? addEntry(queue, key)
  entry.failures = 0
  entry.forgotten = false
  if (entry.state === 'running') entry.again = true
  else if (entry.state === 'waiting') makeReady(queue, entry)
}

function later(queue: Queue, key: string): void {
  const known = queue.entries.get(key)
  if (known !== undefined) {
    // It is running for an object that has been replaced since.
    if (known.forgotten) soon(queue, key)
    return
  }
  const interval = queue.options.intervalOf(key)
  const spread = interval <= 0 ? spreadMs : Math.min(interval, spreadMs)
  wait(queue, addEntry(queue, key), placeOf(key) * spread)
}

function forget(queue: Queue, key: string): void {
  const entry = queue.entries.get(key)
  if (entry === undefined) return
  entry.again = false
  // It stays until its work has ended: the key is not worked on twice at once.
  entry.forgotten = entry.state === 'running'
  if (entry.forgotten) return
  entry.cancel()
  queue.ready.remove(entry)
  queue.entries.delete(key)
}

async function stop(queue: Queue): Promise<void> {
  queue.abort.abort(new Error('the controller stops'))
  for (const entry of queue.entries.values()) entry.cancel()
  queue.ready.clear()
  if (queue.running > 0) await queue.idle.promise
}

function addEntry({ entries }: Queue, key: string): Entry {
  const entry: Entry = {
    key,
    owner: key.split('/', 1)[0] ?? '',
    state: 'waiting',
    cancel: () => {},
    failures: 0,
    again: false,
    forgotten: false,
  }
  entries.set(key, entry)
  return entry
}

function makeReady(queue: Queue, entry: Entry): void {
  if (queue.abort.signal.aborted) return
  entry.cancel()
  entry.state = 'ready'
  queue.ready.add(entry)
  startReady(queue)
}

function startReady(queue: Queue): void {
  const { ready, slots, abort } = queue
  while (!abort.signal.aborted) {
    const entry = ready.next(slots.isFree)
    const release = entry && slots.take(entry.owner)
    if (entry === undefined || release === undefined) return
    void run(queue, entry).finally(() => {
      release()
      queue.running--
      if (queue.running === 0 && abort.signal.aborted) queue.idle.resolve()
      startReady(queue)
    })
  }
}

async function run(queue: Queue, entry: Entry): Promise<void> {
  const { options, abort, entries } = queue
  queue.running++
  entry.state = 'running'
  entry.again = false
  const next = await options.work(entry.key, abort.signal).catch((): Next => 'backoff')
  if (abort.signal.aborted) return
  entry.state = 'waiting'
  if (entry.forgotten) entries.delete(entry.key)
  else if (entry.again) makeReady(queue, entry)
  else wait(queue, entry, delayUntil(queue, entry, next))
}

function delayUntil(queue: Queue, entry: Entry, next: Next): number {
  if (next === 'asked') return Number.POSITIVE_INFINITY
  if (next === 'interval') {
    entry.failures = 0
    return untilPlace(queue, entry.key)
  }
  entry.failures++
  const delay = backoffMs(entry.failures, backoff)
  return delay * (1 + backoff.jitter * (2 * queue.random() - 1))
}

function wait(queue: Queue, entry: Entry, ms: number): void {
  const { clock } = queue.options
  const dueAt = clock.elapsed() + ms
  const step = () => {
    const left = dueAt - clock.elapsed()
    if (left <= 0) makeReady(queue, entry)
    else entry.cancel = clock.after(Math.min(Math.ceil(left), maxWaitMs), step)
  }
  if (ms < Number.POSITIVE_INFINITY) step()
}

/** Milliseconds until the key's next place in its interval; infinity without one. */
function untilPlace({ options }: Queue, key: string): number {
  const interval = options.intervalOf(key)
  if (interval <= 0) return Number.POSITIVE_INFINITY
  const place = placeOf(key) * interval
  const since = (((options.clock.elapsed() - place) % interval) + interval) % interval
  return interval - since
}

/** 0 to 1, the same for the same key. */
function placeOf(key: string): number {
  return createHash('sha256').update(key).digest().readUInt32BE() / 2 ** 32
}
