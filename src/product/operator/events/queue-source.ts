import { type Clock, type Log, sleep, systemClock } from '#lib'
import { endsWithin } from '#lib/async'
import { eventsLimits } from './events-limits.ts'
import { parseEventMessage } from './parse-event-message.ts'
import type { QueueMessage } from './parse-queue-messages.ts'
import type { QueueClient, Receipt } from './queue-client.ts'
import type { EventSource, IgnoredReason, VaultEvent } from './vault-event.ts'

export interface QueueSourceOptions {
  /** For metrics and messages. Default `queue`. */
  name?: string | undefined
  queue: QueueClient
  /** What follows `NAME.` in the host of a vault. */
  vaultSuffix: string
  /** Hosts of the vaults whose events all come to the queue. Default: not known of any. */
  vaults?: readonly string[] | undefined
  log: Log
  clock?: Clock | undefined
  onIgnored(why: IgnoredReason): void
  /** Called with the time since the oldest message of an answer was put into the queue; 0 for an empty queue. */
  onAge(ms: number): void
}

/** A message that was received and not deleted. */
interface HeldMessage {
  id: string
  /** Of its last delivery; where ids repeat, of its last deliveries. */
  popReceipts: readonly string[]
  /** Its events that are not done. */
  open: Set<VaultEvent>
}

interface QueueSource extends QueueSourceOptions {
  clock: Clock
  /** By the id of the message. */
  held: Map<string, HeldMessage>
  messageOf: WeakMap<VaultEvent, HeldMessage>
  /** A receive that was begun and whose answer is still to come. */
  pending: Promise<QueueMessage[]> | undefined
  /** Messages that were given up unread. */
  lost: number
}

/** How often an empty queue is asked. */
const pollMs = 1000
/** A message that is not deleted within this time is delivered again. */
const visibilitySeconds = 30
/** Full answers that are read before the events of all of them are processed: the newest of an object then covers the others. */
const mostAnswers = 32
/** How long a full answer waits for the next one, where a receive waits for messages. */
const nextAnswerMs = 100
/** Of one message. More copies of an event come again until each is deleted. */
const mostReceipts = 16
/** Messages wait for longer: Event Grid keeps them for seven days by default, and ours for one. */
const keepsMs = 3_600_000

/** Events of Event Grid from a queue. A message is deleted when all its events are done, or lead to nothing. */
export function createQueueSource(options: QueueSourceOptions): EventSource {
  const { name = 'queue', clock = systemClock, vaults = [] } = options
  const state = { held: new Map(), messageOf: new WeakMap(), pending: undefined, lost: 0 }
  const source: QueueSource = { ...options, clock, ...state }
  return {
    name,
    coverage: { vaults, keepsMs, lost: () => source.lost },
    next: (signal) => receiveAll(source, signal),
    done: (events, signal) => finish(source, events, signal),
  }
}

async function receiveAll(source: QueueSource, signal: AbortSignal): Promise<readonly VaultEvent[]> {
  const { queue, clock, onAge } = source
  const events: VaultEvent[] = []
  let oldest = Number.POSITIVE_INFINITY
  for (let answers = 0; answers < mostAnswers; answers++) {
    const messages = answers === 0 ? await nextAnswer(source, signal) : await answerSoon(source, signal)
    if (messages === undefined) break
    for (const { insertedAt } of messages) if (insertedAt < oldest) oldest = insertedAt
    events.push(...(await open(source, messages, signal)))
    if (messages.length < queue.batch || source.held.size >= eventsLimits.heldEvents.value) break
  }
  onAge(Number.isFinite(oldest) ? Math.max(clock.now() - oldest, 0) : 0)
  if (events.length === 0 && !queue.waits) await sleep(pollMs, { clock, signal })
  return events
}

function nextAnswer(source: QueueSource, signal: AbortSignal): Promise<QueueMessage[]> {
  const answer = source.pending ?? source.queue.receive({ visibilitySeconds, signal })
  source.pending = undefined
  return answer
}

/** The next answer; undefined where it waits for messages that are not there, and is that of the next call. */
async function answerSoon(source: QueueSource, signal: AbortSignal): Promise<QueueMessage[] | undefined> {
  const { queue, clock } = source
  const answer = nextAnswer(source, signal)
  if (!queue.waits) return answer
  // To end the receive would lock, for a reader that is gone, what came to it in the meantime.
  source.pending = answer
  if (!(await endsWithin(answer, nextAnswerMs, { clock, signal }))) return undefined
  try {
    const found = await answer
    source.pending = undefined
    return found
  } catch {
    // It is thrown by the next call: what was received before is processed first.
    return undefined
  }
}

/** The events of messages; what leads to nothing is deleted at once. */
async function open(
  source: QueueSource,
  messages: readonly QueueMessage[],
  signal: AbortSignal,
): Promise<readonly VaultEvent[]> {
  const { queue } = source
  const useless: HeldMessage[] = []
  const undeliverable: HeldMessage[] = []
  const events: VaultEvent[] = []
  for (const message of messages) {
    const found = eventsOf(source, message)
    const held = hold(source, message, found ?? [])
    if (found === undefined && queue.reject !== undefined) undeliverable.push(held)
    else if (found === undefined || found.length === 0) useless.push(held)
    events.push(...(found ?? []))
  }
  if (useless.length > 0) await queue.delete(release(source, useless), { signal })
  if (undeliverable.length > 0) await queue.reject?.(release(source, undeliverable), { signal })
  return events
}

/** Undefined for a message that was delivered too often. */
function eventsOf(source: QueueSource, message: QueueMessage): readonly VaultEvent[] | undefined {
  const { queue, held, vaultSuffix, log, onIgnored } = source
  const { id, dequeueCount, text } = message
  // One that this process holds was not lost: it is only late.
  if (dequeueCount > eventsLimits.deliveries.value && !held.has(id)) {
    const end = queue.reject === undefined ? 'deleted' : 'rejected'
    log.warn({ messageId: id, dequeueCount }, `an event was delivered too often, and is ${end} unread`)
    onIgnored('undeliverable')
    source.lost++
    return undefined
  }
  const { events, ignored } = parseEventMessage(text, { vaultSuffix })
  for (const { why, found } of ignored) {
    onIgnored(why)
    log.debug({ messageId: id, why, found }, 'an event leads to nothing')
  }
  return events
}

function hold(
  { held, messageOf, queue }: QueueSource,
  message: QueueMessage,
  events: readonly VaultEvent[],
): HeldMessage {
  const { id, popReceipt } = message
  const before = held.get(id)
  const earlier = queue.repeatsIds ? (before?.popReceipts ?? []).slice(1 - mostReceipts) : []
  const one: HeldMessage = { id, popReceipts: [...earlier, popReceipt], open: new Set(events) }
  // Who finishes an event of an earlier delivery deletes the message by the receipt of this one.
  if (before !== undefined) for (const event of before.open) messageOf.set(event, one)
  for (const event of events) messageOf.set(event, one)
  held.set(id, one)
  return one
}

async function finish(source: QueueSource, events: readonly VaultEvent[], signal: AbortSignal): Promise<void> {
  const complete = new Set<HeldMessage>()
  for (const event of events) {
    const message = source.messageOf.get(event)
    if (message === undefined) continue
    for (const other of message.open) if (other.id === event.id) message.open.delete(other)
    if (message.open.size === 0) complete.add(message)
  }
  if (complete.size > 0) await source.queue.delete(release(source, complete), { signal })
}

/** The receipts of messages that are to be deleted, and are no longer held. */
function release({ held }: QueueSource, messages: Iterable<HeldMessage>): Receipt[] {
  return [...messages].flatMap((message) => {
    if (held.get(message.id) === message) held.delete(message.id)
    return message.popReceipts.map((popReceipt) => ({ id: message.id, popReceipt }))
  })
}
