import { z } from 'zod'
import { type CloudEvent, cloudEventSchema } from '../events/cloud-event.ts'
import { publishToTopic } from '../events/deliver-to-topic.ts'
import type { QueueSubscription } from '../events/namespaces.ts'
import { Refusal } from '../http/refusal.ts'
import type { Change } from '../records/record-store.ts'
import type { Message, Queue } from '../storage/queues.ts'
import { maxLockTokens, maxPublished, receiveCounts, releaseDelays, waitSeconds } from './limits.ts'
import { type LockFailure, lockedBy, releaseLock, renewLock } from './locks.ts'
import type { NamespaceCall, NamespaceOperation } from './operation.ts'
import { type ReceiveOptions, receiveEvents } from './receive.ts'

/** Events of a namespace: published by one side, fetched by the other. https://learn.microsoft.com/rest/api/eventgrid/dataplane */
export function namespaceOperations(options: ReceiveOptions): NamespaceOperation[] {
  const row = (word: string, run: NamespaceOperation['run']): NamespaceOperation => ({
    operation: `eventgrid.${word}`,
    method: 'POST',
    path: `/topics/:topic${word === 'publish' ? '' : '/eventsubscriptions/:eventSubscription'}:${word}`,
    right: word === 'publish' ? 'send' : 'receive',
    run,
  })
  return [
    row('publish', (call) => publish(options, call)),
    row('receive', (call) => receive(options, call)),
    row('acknowledge', (call) => finishLocks(options, call, (queue, message) => remove(options, queue, message))),
    row('reject', (call) => finishLocks(options, call, (queue, message) => remove(options, queue, message))),
    row('release', (call) => release(options, call)),
    row('renewLock', (call) => finishLocks(options, call, renewal(options, call))),
  ]
}

async function publish(options: ReceiveOptions, call: NamespaceCall): Promise<unknown> {
  const { store, clock } = options
  const events = await publishedEvents(call)
  store.commit(publishToTopic(options, call.topic, events, clock.now()))
  return {}
}

async function publishedEvents(call: NamespaceCall): Promise<CloudEvent[]> {
  const [type = ''] = (call.headers.get('content-type') ?? '').toLowerCase().split(';')
  const isBatch = type === 'application/cloudevents-batch+json'
  if (!isBatch && type !== 'application/cloudevents+json') {
    throw new Refusal(
      415,
      'UnsupportedMediaType',
      `The local Azure takes events as application/cloudevents+json and application/cloudevents-batch+json: found '${type}'.`,
    )
  }
  const schema = isBatch ? z.array(cloudEventSchema).max(maxPublished) : cloudEventSchema.transform((event) => [event])
  return parsed(schema, await call.body())
}

function parsed<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const problems = result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
  throw badRequest(`The body is invalid: ${problems.slice(0, 5).join('; ')}`)
}

function badRequest(message: string): Refusal {
  return new Refusal(400, 'BadRequest', message)
}

async function receive(options: ReceiveOptions, call: NamespaceCall): Promise<unknown> {
  const { url, signal } = call
  const limit = wholeNumber(url, 'maxEvents', receiveCounts)
  const waitMs = wholeNumber(url, 'maxWaitTime', waitSeconds) * 1000
  const events = await receiveEvents(options, call.subscription(), { limit, waitMs, signal })
  return {
    value: events.map(({ lockToken, deliveryCount, text }) => ({
      brokerProperties: { lockToken, deliveryCount },
      event: JSON.parse(text) as CloudEvent,
    })),
  }
}

function wholeNumber(url: URL, name: string, bounds: { min: number; max: number; fallback: number }): number {
  const given = url.searchParams.get(name) ?? ''
  if (given === '') return bounds.fallback
  const value = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN
  if (value >= bounds.min && value <= bounds.max) return value
  throw badRequest(`'${name}' is a whole number from ${bounds.min} to ${bounds.max}: found '${given}'.`)
}

async function release(options: ReceiveOptions, call: NamespaceCall): Promise<unknown> {
  const delay = call.url.searchParams.get('releaseDelayInSeconds') ?? '0'
  if (!releaseDelays.includes(delay)) {
    throw badRequest(`'releaseDelayInSeconds' is one of ${releaseDelays.join(', ')}: found '${delay}'.`)
  }
  const { events, clock, arrivals } = options
  const answer = await finishLocks(options, call, (queue, message) =>
    releaseLock(events, queue, message, clock.now() + Number(delay) * 1000),
  )
  arrivals.notify()
  return answer
}

const remove = ({ events }: ReceiveOptions, queue: Queue, message: Message): Change[] =>
  events.removeMessage(queue, message)

const renewal =
  ({ events, clock }: ReceiveOptions, call: NamespaceCall) =>
  (queue: Queue, message: Message): Change[] | LockFailure =>
    renewLock(events, { queue, subscription: call.subscription() }, message, clock.now())

const tokensBody = z.object({ lockTokens: z.array(z.string().min(1).max(1024)).min(1).max(maxLockTokens) })

/** Does something to each event that a token locks. Azure answers 200 also where no token is valid. */
async function finishLocks(
  options: ReceiveOptions,
  call: NamespaceCall,
  changesOf: (queue: Queue, message: Message) => Change[] | LockFailure,
): Promise<unknown> {
  const { lockTokens } = parsed(tokensBody, await call.body())
  const { store, namespaces } = options
  const subscription: QueueSubscription = call.subscription()
  const queue = namespaces.queueOf(subscription)
  const failedLockTokens: { lockToken: string; error: LockFailure }[] = []
  const succeededLockTokens: string[] = []
  for (const lockToken of new Set(lockTokens)) {
    const found = lockedBy(options.events, queue, lockToken, options.clock.now())
    const changes = 'code' in found ? found : changesOf(queue, found)
    if ('code' in changes) failedLockTokens.push({ lockToken, error: changes })
    else {
      store.commit(changes)
      succeededLockTokens.push(lockToken)
    }
  }
  return { failedLockTokens, succeededLockTokens }
}
