import { type Clock, type Log, sleep, systemClock } from '#lib'
import { forEachLimited } from '#lib/async'
import { eventsLimits } from './events-limits.ts'
import { parseEventMessage } from './parse-event-message.ts'
import type { QueueMessage } from './parse-queue-messages.ts'
import type { QueueClient } from './queue-client.ts'
import type { EventSource, IgnoredReason, VaultEvent } from './vault-event.ts'

export interface QueueSourceOptions {
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
  /** Of its last delivery. */
  popReceipt: string
  /** Its events that are not done. */
  open: Set<VaultEvent>
}

interface QueueSource extends QueueSourceOptions {
  clock: Clock
  /** By the id of the message. */
  held: Map<string, HeldMessage>
  messageOf: WeakMap<VaultEvent, HeldMessage>
  /** Messages that were deleted unread. */
  lost: number
}

/** How often an empty queue is asked. */
const pollMs = 1000
/** A message that is not deleted within this time is delivered again. */
const visibilitySeconds = 30
/** Full answers that are read before the events of all of them are processed: the newest of an object then covers the others. */
const mostAnswers = 32
const deletesAtOnce = 8
/** Messages wait for longer: Event Grid keeps them for seven days by default, and ours for one. */
const keepsMs = 3_600_000

/** Events of Event Grid from a storage queue. A message is deleted when all its events are done, or lead to nothing. */
export function createQueueSource(options: QueueSourceOptions): EventSource {
  const { clock = systemClock, vaults = [] } = options
  const source: QueueSource = { ...options, clock, held: new Map(), messageOf: new WeakMap(), lost: 0 }
  return {
    name: 'queue',
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
    const messages = await queue.receive({ visibilitySeconds, signal })
    for (const { insertedAt } of messages) if (insertedAt < oldest) oldest = insertedAt
    events.push(...(await open(source, messages, signal)))
    if (messages.length < 32 || source.held.size >= eventsLimits.heldEvents.value) break
  }
  onAge(Number.isFinite(oldest) ? Math.max(clock.now() - oldest, 0) : 0)
  if (events.length === 0) await sleep(pollMs, { clock, signal })
  return events
}

/** The events of messages; what leads to nothing is deleted at once. */
async function open(
  source: QueueSource,
  messages: readonly QueueMessage[],
  signal: AbortSignal,
): Promise<readonly VaultEvent[]> {
  const useless: HeldMessage[] = []
  const events: VaultEvent[] = []
  for (const message of messages) {
    const found = eventsOf(source, message)
    const held = hold(source, message, found)
    if (found.length === 0) useless.push(held)
    events.push(...found)
  }
  await deleteMessages(source, useless, signal)
  return events
}

function eventsOf(source: QueueSource, message: QueueMessage): readonly VaultEvent[] {
  const { held, vaultSuffix, log, onIgnored } = source
  const { id, dequeueCount, text } = message
  // One that this process holds was not lost: it is only late.
  if (dequeueCount > eventsLimits.deliveries.value && !held.has(id)) {
    log.warn({ messageId: id, dequeueCount }, 'a message of the queue was delivered too often, and is deleted unread')
    onIgnored('undeliverable')
    source.lost++
    return []
  }
  const { events, ignored } = parseEventMessage(text, { vaultSuffix })
  for (const { why, found } of ignored) {
    onIgnored(why)
    log.debug({ messageId: id, why, found }, 'an event leads to nothing')
  }
  return events
}

function hold({ held, messageOf }: QueueSource, message: QueueMessage, events: readonly VaultEvent[]): HeldMessage {
  const { id, popReceipt } = message
  const one: HeldMessage = { id, popReceipt, open: new Set(events) }
  const before = held.get(id)
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
  await deleteMessages(source, complete, signal)
}

async function deleteMessages(
  { queue, held }: QueueSource,
  messages: Iterable<HeldMessage>,
  signal: AbortSignal,
): Promise<void> {
  await forEachLimited(messages, deletesAtOnce, async (message) => {
    if (held.get(message.id) === message) held.delete(message.id)
    await queue.delete(message, { signal })
  })
}
