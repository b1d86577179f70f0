import { randomUUID } from 'node:crypto'
import { type Clock, errorMessage, type Log, type Running, sleep } from '#lib'
import type { Change, RecordStore } from '../records/record-store.ts'
import { DeliveryFailure } from './delivery.ts'
import type { EventFeed, GridEvent } from './event-feed.ts'
import { passes } from './event-filter.ts'
import type { EventGridRecords, EventSubscription } from './event-subscriptions.ts'
import { deliveryDelayMs, eventGridLimits, retrySeconds } from './limits.ts'

/** How events travel, changed through the control socket. */
export interface DeliverySettings {
  /** Milliseconds from an event to its first delivery. Default: a random 10 to 50, so that events overtake each other. */
  delayMs?: number | undefined
  /** Share of the events that are delivered twice, 0 to 1. */
  duplicate: number
  /** Share of the events that are lost, 0 to 1. */
  drop: number
}

export interface DeliveryCounts {
  /** Deliveries that are due or wait for their next attempt. */
  pending: number
  delivered: number
  /** Attempts that failed. */
  failed: number
  /** Events that were lost by `drop`, and deliveries that were given up. */
  dropped: number
  /** Events in the event subscriptions of namespaces, locked ones included. */
  waiting: number
}

/** Event Grid's own side: every event of a vault goes to the subscriptions whose filters it passes, at least once. */
export interface EventGrid extends Running {
  settings: DeliverySettings
  counts(): DeliveryCounts
}

export interface EventGridOptions {
  store: RecordStore
  feed: EventFeed
  records: EventGridRecords
  /** The changes that put the event into its destination. Throws {@link DeliveryFailure}. */
  deliver: (event: GridEvent, subscription: EventSubscription) => Change[]
  /** How many events are in the event subscriptions of namespaces. */
  waiting: () => number
  /** Default `Math.random`. */
  random?: (() => number) | undefined
  clock: Clock
  log: Log
}

/** A delivery that has not succeeded: durable before it is tried, so that it survives the end of the process. */
interface PendingDelivery {
  id: string
  subscriptionId: string
  event: GridEvent
  attempts: number
  /** Milliseconds since the epoch. */
  publishedAt: number
  dueAt: number
}

interface State extends EventGridOptions {
  random: () => number
  pending: ReturnType<typeof pendingDeliveries>
  running: Set<Promise<void>>
  stopping: AbortController
  settings: DeliverySettings
  delivered: number
  failed: number
  dropped: number
}

export function startEventGrid(options: EventGridOptions): EventGrid {
  const state: State = {
    ...options,
    random: options.random ?? Math.random,
    pending: pendingDeliveries(options.store),
    running: new Set(),
    stopping: new AbortController(),
    settings: { duplicate: 0, drop: 0 },
    delivered: 0,
    failed: 0,
    dropped: 0,
  }
  for (const delivery of state.pending.values()) begin(state, delivery)
  const stopListening = options.feed.onEvent((event) => publishSoon(state, event))
  return {
    get settings() {
      return state.settings
    },
    set settings(settings) {
      state.settings = settings
    },
    counts: () => ({
      pending: state.pending.size,
      delivered: state.delivered,
      failed: state.failed,
      dropped: state.dropped,
      waiting: state.waiting(),
    }),
    async stop() {
      stopListening()
      state.stopping.abort()
      await Promise.all(state.running)
    },
  }
}

const pendingDeliveries = (store: RecordStore) => store.collection<PendingDelivery>('event-deliveries')

/** Events are published while the commit that caused them is applied: theirs has to wait until it is complete. */
function publishSoon(state: State, event: GridEvent): void {
  queueMicrotask(() => {
    try {
      publish(state, event)
    } catch (error) {
      state.dropped++
      state.log.error({ err: error, event: event.id }, 'an event was lost')
    }
  })
}

function publish(state: State, event: GridEvent): void {
  const { records, settings, random, clock, pending, store } = state
  const now = clock.now()
  const interested = records.ofSource(event.topic).filter((subscription) => isInterested(subscription, event, now))
  const deliveries = interested.flatMap((subscription) => {
    if (random() < settings.drop) {
      state.dropped++
      return []
    }
    return Array.from({ length: random() < settings.duplicate ? 2 : 1 }, () => newDelivery(state, subscription, event))
  })
  const { value: most } = eventGridLimits.pending
  const accepted = deliveries.slice(0, Math.max(0, most - pending.size))
  if (accepted.length < deliveries.length) {
    state.dropped += deliveries.length - accepted.length
    state.log.warn({ event: event.id, pending: pending.size }, 'an event was dropped: too many wait for their delivery')
  }
  store.commit(accepted.map((delivery) => pending.put(delivery.id, delivery)))
  for (const delivery of accepted) begin(state, delivery)
}

function isInterested({ filter, expirationTimeUtc }: EventSubscription, event: GridEvent, now: number): boolean {
  const isExpired = expirationTimeUtc !== undefined && Date.parse(expirationTimeUtc) <= now
  return !isExpired && passes(event, filter)
}

function newDelivery(state: State, { id: subscriptionId }: EventSubscription, event: GridEvent): PendingDelivery {
  const now = state.clock.now()
  const { least, most } = deliveryDelayMs
  const delayMs = state.settings.delayMs ?? least + state.random() * (most - least)
  return { id: randomUUID(), subscriptionId, event, attempts: 0, publishedAt: now, dueAt: now + delayMs }
}

function begin(state: State, delivery: PendingDelivery): void {
  const work = run(state, delivery)
  state.running.add(work)
  void work.finally(() => state.running.delete(work))
}

/** Tries until the event is delivered, or given up by the retry policy. */
async function run(state: State, first: PendingDelivery): Promise<void> {
  const { clock, stopping } = state
  let next: PendingDelivery | undefined = first
  try {
    while (next !== undefined) {
      await sleep(Math.max(0, next.dueAt - clock.now()), { clock, signal: stopping.signal })
      next = attempt(state, next)
    }
  } catch (error) {
    // The delivery is durable: the next process tries it again.
    if (!stopping.signal.aborted) state.log.error({ err: error }, 'the delivery of an event failed')
  }
}

/** One attempt. Returns the delivery as it waits for the next one; undefined when there is none. */
function attempt(state: State, delivery: PendingDelivery): PendingDelivery | undefined {
  const { records, store, pending, deliver, log } = state
  const { event, subscriptionId } = delivery
  const done = pending.remove(delivery.id)
  const subscription = records.subscriptions.get(subscriptionId)
  if (subscription === undefined) {
    store.commit([done])
    return undefined
  }
  try {
    store.commit([...deliver(event, subscription), done])
    state.delivered++
    return undefined
  } catch (error) {
    if (!(error instanceof DeliveryFailure)) throw error
    state.failed++
    const again = nextAttempt(state, delivery, subscription)
    log.warn({ event: event.id, subscription: subscriptionId, again: again !== undefined }, errorMessage(error))
    if (again === undefined) state.dropped++
    store.commit([again === undefined ? done : pending.put(again.id, again)])
    return again
  }
}

function nextAttempt(
  { clock }: State,
  delivery: PendingDelivery,
  { retryPolicy }: EventSubscription,
): PendingDelivery | undefined {
  const attempts = delivery.attempts + 1
  const waitSeconds = retrySeconds[Math.min(attempts, retrySeconds.length) - 1] ?? 0
  const dueAt = clock.now() + waitSeconds * 1000
  const endsAt = delivery.publishedAt + retryPolicy.eventTimeToLiveInMinutes * 60_000
  return attempts >= retryPolicy.maxDeliveryAttempts || dueAt > endsAt ? undefined : { ...delivery, attempts, dueAt }
}
