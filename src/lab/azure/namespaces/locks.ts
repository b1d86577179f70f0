import { randomBytes } from 'node:crypto'
import type { QueueSubscription } from '../events/namespaces.ts'
import type { Change } from '../records/record-store.ts'
import type { Message, Queue, Queues } from '../storage/queues.ts'
import { renewableMs } from './limits.ts'

/** An event that a client has received. */
export interface LockedEvent {
  lockToken: string
  deliveryCount: number
  /** The event's JSON. */
  text: string
}

/** Locks up to `limit` events that no client holds; those that were delivered too often are dropped. */
export function lockEvents(
  queues: Queues,
  { queue, subscription }: { queue: Queue; subscription: QueueSubscription },
  { limit, now }: { limit: number; now: number },
): { events: LockedEvent[]; changes: Change[] } {
  const events: LockedEvent[] = []
  const changes: Change[] = []
  for (const message of queues.visible(queue, Number.MAX_SAFE_INTEGER, now)) {
    if (events.length >= limit) break
    if (message.dequeueCount >= subscription.maxDeliveryCount) {
      changes.push(...queues.removeMessage(queue, message))
      continue
    }
    const deliveryCount = message.dequeueCount + 1
    const popReceipt = newReceipt(now)
    const visibleAt = now + subscription.receiveLockDurationInSeconds * 1000
    changes.push(...queues.update(queue, message, { dequeueCount: deliveryCount, popReceipt, visibleAt }).changes)
    events.push({ lockToken: tokenOf(message.id, popReceipt), deliveryCount, text: message.text })
  }
  return { events, changes }
}

/** The time of the lock is part of its receipt: a lock can be renewed for an hour. */
function newReceipt(now: number): string {
  return `${now}-${randomBytes(12).toString('hex')}`
}

/** Opaque for clients. */
function tokenOf(id: string, receipt: string): string {
  return Buffer.from(`${id} ${receipt}`).toString('base64')
}

export type LockFailure = { code: 'BadToken' | 'TokenLost'; message: string }

/** The event that this token locks at `now`, or why it locks none. */
export function lockedBy(queues: Queues, queue: Queue, token: string, now: number): Message | LockFailure {
  const [id = '', receipt] = Buffer.from(token, 'base64').toString('utf8').split(' ')
  if (receipt === undefined || receipt === '') return { code: 'BadToken', message: 'The lock token is malformed.' }
  const message = queues.message(queue, id, now)
  if (message?.popReceipt === receipt && message.visibleAt > now) return message
  return { code: 'TokenLost', message: 'The lock has expired, or the event is no longer in the subscription.' }
}

/** Makes the event available after a delay, with its token void. */
export function releaseLock(queues: Queues, queue: Queue, message: Message, visibleAt: number): Change[] {
  return queues.update(queue, message, { popReceipt: '', visibleAt }).changes
}

/** The changes of a longer lock with the same token, or why it cannot be renewed. */
export function renewLock(
  queues: Queues,
  { queue, subscription }: { queue: Queue; subscription: QueueSubscription },
  message: Message,
  now: number,
): Change[] | LockFailure {
  const { popReceipt } = message
  if (now > Number(popReceipt.split('-')[0]) + renewableMs) {
    return { code: 'TokenLost', message: 'A lock can be renewed for one hour after the event was received.' }
  }
  const visibleAt = now + subscription.receiveLockDurationInSeconds * 1000
  return queues.update(queue, message, { popReceipt, visibleAt }).changes
}
