import { parseXml, XmlError, xmlElement, xmlText } from '#lib/formats'
import type { RecordStore } from '../records/record-store.ts'
import { invalidQuery, invalidXml, StorageRefusal, tooLarge } from './error-response.ts'
import {
  defaultTimeToLiveSeconds,
  defaultVisibilitySeconds,
  maxMessagesOfOneRead,
  maxVisibilitySeconds,
  neverExpires,
  storageLimits,
} from './limits.ts'
import { type QueueAnswer, type QueueCall, type QueueOperation, queueOperation } from './operation.ts'
import { numberInQuery, textInQuery } from './query.ts'
import { existingQueue } from './queue-operations.ts'
import type { Message, Queue, Queues } from './queues.ts'

export interface MessageOperationsOptions {
  store: RecordStore
  queues: Queues
}

const messages = '/:queue/messages'
const onMessage = `${messages}/:message`

/** Messages of a queue. https://learn.microsoft.com/rest/api/storageservices/operations-on-messages */
export function messageOperations(options: MessageOperationsOptions): QueueOperation[] {
  const row = queueOperation
  const may = (action: string) => `queues/messages/${action}`
  const add = [[may('add/action')], [may('write')]]
  const take = [[may('process/action')], [may('read'), may('delete')]]
  const remove = [[may('process/action')], [may('delete')]]
  return [
    row('queue.message.put', `POST ${messages}`, add, (call) => put(options, call)),
    row('queue.message.get', `GET ${messages}`, take, (call) => get(options, call)),
    row('queue.message.peek', `GET ${messages}?peekonly=true`, [[may('read')]], (call) => peek(options, call)),
    row('queue.message.update', `PUT ${onMessage}`, [[may('write')]], (call) => update(options, call)),
    row('queue.message.delete', `DELETE ${onMessage}`, remove, (call) => erase(options, call)),
    row('queue.message.clear', `DELETE ${messages}`, [[may('delete')]], (call) => clear(options, call)),
  ]
}

async function put({ store, queues }: MessageOperationsOptions, call: QueueCall): Promise<QueueAnswer> {
  const { url, now } = call
  const hiddenSeconds = numberInQuery(url, 'visibilitytimeout', { min: 0, max: maxVisibilitySeconds, fallback: 0 })
  const expiresAt = expiryOf(url, now, hiddenSeconds)
  const text = readText(await call.body())
  if (text === undefined) throw invalidXml()
  const queue = existingQueue(queues, call)
  const fields = { text, insertedAt: now, expiresAt, visibleAt: now + hiddenSeconds * 1000 }
  const { message, changes } = queues.add(queue, fields)
  store.commit(changes)
  return { status: 201, xml: listOf([message], [id, ...times, receipt, nextVisible]) }
}

function expiryOf(url: URL, now: number, hiddenSeconds: number): number {
  const given = url.searchParams.get('messagettl') ?? ''
  const range = { min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, fallback: defaultTimeToLiveSeconds }
  const seconds = numberInQuery(url, 'messagettl', range)
  if (seconds === -1) return neverExpires
  if (seconds < 1) {
    throw invalidQuery(
      'messagettl',
      given,
      'Value must be greater than or equal to 1, or -1 to indicate an infinite TTL.',
    )
  }
  if (given !== '' && hiddenSeconds >= seconds) {
    const reason = 'messagettl must be greater than visibilitytimeout.'
    throw invalidQuery('visibilitytimeout', String(hiddenSeconds), reason)
  }
  return Math.min(now + seconds * 1000, neverExpires)
}

/** The text in a body; undefined when the body is empty. Throws {@link Refusal}. */
function readText(body: string): string | undefined {
  if (body === '') return undefined
  const text = xmlText(readXml(body), 'MessageText')
  if (text === undefined) throw invalidXml()
  const { value: most } = storageLimits.messageBytes
  if (Buffer.byteLength(text) > most) throw tooLarge(most)
  return text
}

function readXml(body: string) {
  try {
    return parseXml('the message', body, { maxElements: 16 })
  } catch (error) {
    if (error instanceof XmlError) throw invalidXml()
    throw error
  }
}

function get({ store, queues }: MessageOperationsOptions, call: QueueCall): QueueAnswer {
  const { url, now } = call
  const bounds = { min: 1, max: maxVisibilitySeconds, fallback: defaultVisibilitySeconds }
  const hiddenSeconds = numberInQuery(url, 'visibilitytimeout', bounds)
  const limit = numberOfMessages(url)
  const queue = existingQueue(queues, call)
  const visibleAt = now + hiddenSeconds * 1000
  const taken = queues
    .visible(queue, limit, now)
    .map((message) => queues.update(queue, message, { visibleAt, dequeueCount: message.dequeueCount + 1 }))
  store.commit(taken.flatMap(({ changes }) => changes))
  const fields = [id, ...times, receipt, nextVisible, dequeueCount, text]
  return {
    status: 200,
    xml: listOf(
      taken.map(({ message }) => message),
      fields,
    ),
  }
}

function peek({ queues }: MessageOperationsOptions, call: QueueCall): QueueAnswer {
  const limit = numberOfMessages(call.url)
  const visible = queues.visible(existingQueue(queues, call), limit, call.now)
  return { status: 200, xml: listOf(visible, [id, ...times, dequeueCount, text]) }
}

function numberOfMessages(url: URL): number {
  return numberInQuery(url, 'numofmessages', { min: 1, max: maxMessagesOfOneRead, fallback: 1 })
}

async function update({ store, queues }: MessageOperationsOptions, call: QueueCall): Promise<QueueAnswer> {
  const popReceipt = textInQuery(call.url, 'popreceipt')
  const bounds = { min: 0, max: maxVisibilitySeconds, fallback: undefined }
  const hiddenSeconds = numberInQuery(call.url, 'visibilitytimeout', bounds)
  const text = readText(await call.body())
  const queue = existingQueue(queues, call)
  const before = heldMessage(queues, queue, call, popReceipt)
  const fields = { text: text ?? before.text, visibleAt: call.now + hiddenSeconds * 1000 }
  const { message, changes } = queues.update(queue, before, fields)
  store.commit(changes)
  return {
    status: 204,
    headers: { 'x-ms-popreceipt': message.popReceipt, 'x-ms-time-next-visible': dateText(message.visibleAt) },
  }
}

/** The message in the path, which the caller read last. Throws {@link Refusal}. */
function heldMessage(queues: Queues, queue: Queue, { messageId, now }: QueueCall, popReceipt: string): Message {
  const message = queues.message(queue, messageId, now)
  if (message === undefined) {
    throw new StorageRefusal(404, 'MessageNotFound', 'The specified message does not exist.')
  }
  if (message.popReceipt === popReceipt) return message
  throw new StorageRefusal(
    400,
    'PopReceiptMismatch',
    'The specified pop receipt did not match the pop receipt for a dequeued message.',
  )
}

function erase({ store, queues }: MessageOperationsOptions, call: QueueCall): QueueAnswer {
  const popReceipt = textInQuery(call.url, 'popreceipt')
  const queue = existingQueue(queues, call)
  store.commit(queues.removeMessage(queue, heldMessage(queues, queue, call, popReceipt)))
  return { status: 204 }
}

function clear({ store, queues }: MessageOperationsOptions, call: QueueCall): QueueAnswer {
  store.commit(queues.clear(existingQueue(queues, call)))
  return { status: 204 }
}

type Field = (message: Message) => string

const id: Field = (message) => xmlElement('MessageId', message.id)
const times: readonly Field[] = [
  (message) => xmlElement('InsertionTime', dateText(message.insertedAt)),
  (message) => xmlElement('ExpirationTime', dateText(message.expiresAt)),
]
const receipt: Field = (message) => xmlElement('PopReceipt', message.popReceipt)
const nextVisible: Field = (message) => xmlElement('TimeNextVisible', dateText(message.visibleAt))
const dequeueCount: Field = (message) => xmlElement('DequeueCount', String(message.dequeueCount))
const text: Field = (message) => xmlElement('MessageText', message.text)

function listOf(all: readonly Message[], fields: readonly Field[]): string {
  const elements = all.map((message) =>
    xmlElement(
      'QueueMessage',
      fields.map((field) => field(message)),
    ),
  )
  return xmlElement('QueueMessagesList', elements)
}

/** RFC 1123, in whole seconds. */
function dateText(at: number): string {
  return new Date(at).toUTCString()
}
