import { type Clock, sleep } from '#lib'
import type { Namespaces, QueueSubscription } from '../events/namespaces.ts'
import { createWaiters } from '../events/waiters.ts'
import { Refusal } from '../http/refusal.ts'
import type { RecordStore } from '../records/record-store.ts'
import type { Queues } from '../storage/queues.ts'
import { namespaceLimits } from './limits.ts'
import { type LockedEvent, lockEvents } from './locks.ts'

/** Receives that wait for an event. */
export interface Arrivals {
  /** Resolves at the next event of any subscription, when the signal aborts, or when the local Azure stops. */
  next(signal: AbortSignal): Promise<void>
  /** Wakes all. */
  notify(): void
  readonly waiting: number
  readonly isStopped: boolean
  stop(): void
}

export function createArrivals(): Arrivals {
  const waiters = createWaiters()
  let isStopped = false
  return {
    next: waiters.next,
    notify: waiters.wakeAll,
    get waiting() {
      return waiters.count
    },
    get isStopped() {
      return isStopped
    },
    stop() {
      isStopped = true
      waiters.wakeAll()
    },
  }
}

export interface ReceiveOptions {
  store: RecordStore
  namespaces: Namespaces
  events: Queues
  arrivals: Arrivals
  clock: Clock
}

/** Locks events of the subscription: those that are there, else the first that comes within `waitMs`. */
export async function receiveEvents(
  options: ReceiveOptions,
  subscription: QueueSubscription,
  { limit, waitMs, signal }: { limit: number; waitMs: number; signal: AbortSignal },
): Promise<LockedEvent[]> {
  const { store, namespaces, events: queues, arrivals, clock } = options
  const endsAt = clock.elapsed() + waitMs
  while (!signal.aborted && !arrivals.isStopped && namespaces.subscriptions.get(subscription.id) !== undefined) {
    const queue = namespaces.queueOf(subscription)
    const now = clock.now()
    const { events, changes } = lockEvents(queues, { queue, subscription }, { limit, now })
    store.commit(changes)
    const restMs = endsAt - clock.elapsed()
    if (events.length > 0 || restMs <= 0) return events
    if (arrivals.waiting >= namespaceLimits.receives.value) {
      throw new Refusal(429, 'TooManyRequests', 'Too many receives wait for events of the local Azure.')
    }
    await arrivalWithin(options, Math.min(restMs, queues.nextVisibleAt(queue, now) - now), signal)
  }
  return []
}

async function arrivalWithin({ arrivals, clock }: ReceiveOptions, ms: number, signal: AbortSignal): Promise<void> {
  const done = new AbortController()
  const either = AbortSignal.any([signal, done.signal])
  const tooLate = sleep(ms, { clock, signal: either }).catch(() => undefined)
  await Promise.race([arrivals.next(either), tooLate])
  done.abort()
}
