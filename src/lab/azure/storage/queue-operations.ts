import { escapeXml, xmlElement } from '#lib/formats'
import { Refusal } from '../http/refusal.ts'
import type { RecordStore } from '../records/record-store.ts'
import { queueNotFound, StorageRefusal } from './error-response.ts'
import { maxQueueNameLength, maxQueuePage, minQueueNameLength, queueNamePattern, storageLimits } from './limits.ts'
import {
  type QueueAnswer,
  type QueueCall,
  type QueueOperation,
  type QueuePermission,
  queueOperation,
} from './operation.ts'
import { numberInQuery } from './query.ts'
import type { Queue, Queues } from './queues.ts'

export interface QueueOperationsOptions {
  store: RecordStore
  queues: Queues
}

const read: QueuePermission = [['queues/read']]
const write: QueuePermission = [['queues/write']]
const erase: QueuePermission = [['queues/delete']]

/** Queues of a storage account. https://learn.microsoft.com/rest/api/storageservices/operations-on-queues */
export function queueOperations(options: QueueOperationsOptions): QueueOperation[] {
  const row = queueOperation
  return [
    row('queue.list', 'GET /?comp=list', read, (call) => list(options, call)),
    row('queue.create', 'PUT /:queue', write, (call) => create(options, call)),
    row('queue.delete', 'DELETE /:queue', erase, (call) => remove(options, call)),
    row('queue.getMetadata', 'GET /:queue?comp=metadata', read, (call) => properties(options, call)),
    row('queue.headMetadata', 'HEAD /:queue?comp=metadata', read, (call) => properties(options, call)),
    row('queue.setMetadata', 'PUT /:queue?comp=metadata', write, (call) => setMetadata(options, call)),
  ]
}

/** The queue in the path. Throws {@link Refusal}. */
export function existingQueue(queues: Queues, { account, queueName }: QueueCall): Queue {
  const queue = queues.get(account.name, queueName)
  if (queue === undefined) throw queueNotFound()
  return queue
}

function create({ store, queues }: QueueOperationsOptions, call: QueueCall): QueueAnswer {
  const { account, queueName: name } = call
  checkQueueName(name)
  const metadata = metadataOf(call.headers)
  const before = queues.get(account.name, name)
  if (before !== undefined) {
    if (isSame(before.metadata, metadata)) return { status: 204 }
    throw new StorageRefusal(409, 'QueueAlreadyExists', 'The specified queue already exists.')
  }
  const { value: most } = storageLimits.queues
  if (queues.ofAccount(account.name).length >= most) {
    const message = `The storage account '${account.name}' has ${most} queues, and the local Azure keeps no more in one account.`
    throw new Refusal(507, 'InsufficientStorage', message)
  }
  store.commit([queues.put({ account: account.name, name, metadata })])
  return { status: 201 }
}

/** Throws {@link Refusal} for a name that no queue can have. */
function checkQueueName(name: string): void {
  if (name.length < minQueueNameLength || name.length > maxQueueNameLength) {
    throw new StorageRefusal(
      400,
      'OutOfRangeInput',
      'The specified resource name length is not within the permissible limits.',
    )
  }
  if (queueNamePattern.test(name)) return
  throw new StorageRefusal(400, 'InvalidResourceName', 'The specified resource name contains invalid characters.')
}

const metadataPrefix = 'x-ms-meta-'

function metadataOf(headers: Headers): Record<string, string> {
  const entries = [...headers].flatMap(([header, value]) =>
    header.startsWith(metadataPrefix) ? [[header.slice(metadataPrefix.length), value] as const] : [],
  )
  for (const [name] of entries) checkMetadataName(name)
  const bytes = entries.reduce((sum, [name, value]) => sum + name.length + Buffer.byteLength(value), 0)
  if (bytes > storageLimits.metadataBytes.value) {
    const message = 'The size of the specified metadata exceeds the maximum size permitted.'
    throw new StorageRefusal(400, 'MetadataTooLarge', message)
  }
  return Object.fromEntries(entries)
}

/** Names are identifiers of C#. */
function checkMetadataName(name: string): void {
  if (name === '') {
    throw new StorageRefusal(400, 'EmptyMetadataKey', 'The key for one of the metadata key-value pairs is empty.')
  }
  if (/^[a-z_][a-z0-9_]*$/.test(name)) return
  throw new StorageRefusal(
    400,
    'InvalidMetadata',
    'The metadata specified is invalid. It has characters that are not permitted.',
  )
}

function isSame(some: Readonly<Record<string, string>>, others: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(some)
  return names.length === Object.keys(others).length && names.every((name) => some[name] === others[name])
}

function remove({ store, queues }: QueueOperationsOptions, call: QueueCall): QueueAnswer {
  store.commit(queues.remove(existingQueue(queues, call)))
  return { status: 204 }
}

function properties({ queues }: QueueOperationsOptions, call: QueueCall): QueueAnswer {
  const queue = existingQueue(queues, call)
  const metadata = Object.entries(queue.metadata).map(([name, value]) => [`${metadataPrefix}${name}`, value])
  const count = queues.count(queue, call.now)
  return {
    status: 200,
    headers: { ...Object.fromEntries(metadata), 'x-ms-approximate-messages-count': String(count) },
  }
}

function setMetadata({ store, queues }: QueueOperationsOptions, call: QueueCall): QueueAnswer {
  const queue = existingQueue(queues, call)
  store.commit([queues.put({ ...queue, metadata: metadataOf(call.headers) })])
  return { status: 204 }
}

function list({ queues }: QueueOperationsOptions, { account, url }: QueueCall): QueueAnswer {
  const parameter = (name: string) => url.searchParams.get(name) ?? ''
  const prefix = parameter('prefix')
  const marker = parameter('marker')
  const size = numberInQuery(url, 'maxresults', { min: 1, max: maxQueuePage, fallback: maxQueuePage })
  const withMetadata = parameter('include').split(',').includes('metadata')
  const matching = queues.ofAccount(account.name).filter(({ name }) => name.startsWith(prefix) && name >= marker)
  const page = matching.slice(0, size)
  const elements = [
    ...(prefix === '' ? [] : [xmlElement('Prefix', prefix)]),
    ...(marker === '' ? [] : [xmlElement('Marker', marker)]),
    ...(parameter('maxresults') === '' ? [] : [xmlElement('MaxResults', String(size))]),
    xmlElement(
      'Queues',
      page.map((queue) => listed(queue, withMetadata)),
    ),
    xmlElement('NextMarker', matching[size]?.name ?? ''),
  ]
  const endpoint = escapeXml(`${url.origin}/`)
  return {
    status: 200,
    xml: `<EnumerationResults ServiceEndpoint="${endpoint}">${elements.join('')}</EnumerationResults>`,
  }
}

function listed({ name, metadata }: Queue, withMetadata: boolean): string {
  const entries = Object.entries(metadata).map(([key, value]) => xmlElement(key, value))
  return xmlElement('Queue', [xmlElement('Name', name), ...(withMetadata ? [xmlElement('Metadata', entries)] : [])])
}
