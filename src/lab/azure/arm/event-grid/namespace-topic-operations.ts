import { z } from 'zod'
import type { CloudFilter } from '../../events/cloud-event.ts'
import type { NamespaceTopic, QueueSubscription } from '../../events/namespaces.ts'
import { Refusal } from '../../http/refusal.ts'
import {
  defaultTimeToLive,
  deliveryCounts,
  lockSeconds,
  maxRetentionDays,
  minTimeToLiveMs,
  namespaceLimits,
  namespaceNamePattern,
} from '../../namespaces/limits.ts'
import { type ArmAnswer, type ArmCall, type ArmOperation, armOperation } from '../operation.ts'
import { advancedFilterSchema, notImplemented, optional } from './event-subscription-body.ts'
import { existingNamespace, type NamespaceOptions, namespaceType, onNamespace } from './namespace-operations.ts'
import { invalidRequest } from './system-topic-operations.ts'

export const namespaceTopicType = `${namespaceType}/topics`
const subscriptionType = `${namespaceTopicType}/eventSubscriptions`

/** Topics of namespaces and their event subscriptions. https://learn.microsoft.com/rest/api/eventgrid/controlplane/namespace-topics */
export function namespaceTopicOperations(options: NamespaceOptions): ArmOperation[] {
  return [...childOperations(options, topicKind), ...childOperations(options, subscriptionKind)]
}

/** A type of resource below a namespace, with what differs in the operations that both have. */
interface ChildKind<T extends { id: string; name: string }> {
  /** Counted names are `arm.WORD.put` and so on. */
  word: string
  type: string
  /** The path of the collection. */
  collection: string
  /** The parameter of the name in the path. */
  parameter: 'topicName' | 'subscriptionName'
  /** The id of all of them, without the name. Throws {@link Refusal} when the parent does not exist. */
  prefixOf(options: NamespaceOptions, call: ArmCall): string
  find(options: NamespaceOptions, id: string): T | undefined
  siblings(options: NamespaceOptions, call: ArmCall): T[]
  most: { value: number; what: string }
  /** Stores it with the settings of the body over those of `before`. */
  store(options: NamespaceOptions, call: ArmCall, named: { id: string; name: string }, before?: T): Promise<T>
  remove(options: NamespaceOptions, resource: T): void
  render(resource: T): Record<string, unknown>
}

function childOperations<T extends { id: string; name: string }>(
  options: NamespaceOptions,
  kind: ChildKind<T>,
): ArmOperation[] {
  const { word, type, collection, parameter } = kind
  const one = `${collection}/:${parameter}`
  const row = (verb: string, method: ArmOperation['method'], path: string, right: string, run: ArmOperation['run']) =>
    armOperation(`arm.${word}.${verb}`, method, path, `${type}/${right}`, run)
  const idOf = (call: ArmCall) => `${kind.prefixOf(options, call)}${call.name(parameter)}`
  const existing = (call: ArmCall): T => {
    const resource = kind.find(options, idOf(call))
    if (resource !== undefined) return resource
    throw new Refusal(404, 'ResourceNotFound', `The Resource '${type}/${call.name(parameter)}' was not found.`)
  }
  const answered = (status: number, resource: T): ArmAnswer => ({ status, body: rendered(kind, resource) })
  return [
    row('put', 'PUT', one, 'write', async (call) => {
      const id = idOf(call)
      const before = kind.find(options, id)
      const named = before ?? { id, name: call.name(parameter) }
      if (before === undefined) checkNew(options, kind, call)
      // A PUT replaces: settings that it leaves out become the defaults again.
      return answered(before === undefined ? 201 : 200, await kind.store(options, call, named))
    }),
    row('update', 'PATCH', one, 'write', async (call) => {
      const before = existing(call)
      return answered(200, await kind.store(options, call, before, before))
    }),
    row('get', 'GET', one, 'read', (call) => answered(200, existing(call))),
    row('delete', 'DELETE', one, 'delete', (call) => {
      const resource = kind.find(options, idOf(call))
      if (resource === undefined) return { status: 204 }
      kind.remove(options, resource)
      return { status: 200 }
    }),
    row('list', 'GET', collection, 'read', (call) => ({
      status: 200,
      body: { value: kind.siblings(options, call).map((resource) => rendered(kind, resource)) },
    })),
  ]
}

function rendered<T extends { id: string; name: string }>({ type, render }: ChildKind<T>, resource: T) {
  const { id, name } = resource
  return { id, name, type, properties: { provisioningState: 'Succeeded', ...render(resource) } }
}

function checkNew<T extends { id: string; name: string }>(
  options: NamespaceOptions,
  { parameter, siblings, most }: ChildKind<T>,
  call: ArmCall,
): void {
  const name = call.name(parameter)
  if (!namespaceNamePattern.test(name)) {
    throw invalidRequest(`The name '${name}' is invalid: it has 3 to 50 letters, digits and hyphens.`)
  }
  if (siblings(options, call).length < most.value) return
  throw new Refusal(409, 'ResourceQuotaExceeded', `The local Azure keeps at most ${most.value} ${most.what}.`)
}

const topicBody = z.object({
  properties: optional(
    z.looseObject({
      publisherType: optional(z.literal('Custom')),
      inputSchema: optional(z.literal('CloudEventSchemaV1_0')),
      eventRetentionInDays: optional(z.number().int().min(1).max(maxRetentionDays)),
    }),
  ),
})

const topicKind: ChildKind<NamespaceTopic> = {
  word: 'namespaceTopic',
  type: namespaceTopicType,
  collection: `${onNamespace}/topics`,
  parameter: 'topicName',
  prefixOf: (options, call) => `${existingNamespace(options, call).id}/topics/`,
  find: ({ namespaces }, id) => namespaces.topics.get(id),
  siblings: (options, call) => options.namespaces.topicsOf(existingNamespace(options, call)),
  most: namespaceLimits.topics,
  async store(options, call, { id, name }, before) {
    const { properties } = await call.body(topicBody)
    const eventRetentionInDays = properties?.eventRetentionInDays ?? before?.eventRetentionInDays ?? maxRetentionDays
    const topic = { id, name, namespaceId: existingNamespace(options, call).id, eventRetentionInDays }
    options.store.commit([options.namespaces.topics.put(topic)])
    return topic
  },
  remove({ store, namespaces, roles }, topic) {
    store.commit([...namespaces.removeTopic(topic), ...roles.removeUnder(topic.id)])
  },
  render: ({ eventRetentionInDays }) => ({
    publisherType: 'Custom',
    inputSchema: 'CloudEventSchemaV1_0',
    eventRetentionInDays,
  }),
}

function existingTopic(options: NamespaceOptions, call: ArmCall): NamespaceTopic {
  const topic = options.namespaces.topics.get(`${existingNamespace(options, call).id}/topics/${call.name('topicName')}`)
  if (topic !== undefined) return topic
  const message = `The Resource '${namespaceTopicType}/${call.name('topicName')}' was not found.`
  throw new Refusal(404, 'ParentResourceNotFound', message)
}

const queueSchema = z.object({
  receiveLockDurationInSeconds: optional(z.number().int().min(lockSeconds.min).max(lockSeconds.max)),
  maxDeliveryCount: optional(z.number().int().min(deliveryCounts.min).max(deliveryCounts.max)),
  eventTimeToLive: optional(z.string().max(64)),
  deadLetterDestinationWithResourceIdentity: optional(z.unknown()),
})

const subscriptionBody = z.object({
  properties: z.object({
    deliveryConfiguration: optional(
      z.object({ deliveryMode: optional(z.string()), queue: optional(queueSchema), push: optional(z.unknown()) }),
    ),
    eventDeliverySchema: optional(z.literal('CloudEventSchemaV1_0')),
    filtersConfiguration: optional(
      z.object({
        includedEventTypes: optional(z.array(z.string().min(1).max(256)).max(100)),
        filters: optional(z.array(advancedFilterSchema).max(25)),
      }),
    ),
  }),
})

const subscriptionKind: ChildKind<QueueSubscription> = {
  word: 'namespaceTopicEventSubscription',
  type: subscriptionType,
  collection: `${onNamespace}/topics/:topicName/eventsubscriptions`,
  parameter: 'subscriptionName',
  prefixOf: (options, call) => `${existingTopic(options, call).id}/eventSubscriptions/`,
  find: ({ namespaces }, id) => namespaces.subscriptions.get(id),
  siblings: (options, call) => options.namespaces.subscriptionsOf(existingTopic(options, call)),
  most: namespaceLimits.subscriptions,
  async store(options, call, { id, name }, before) {
    const { properties } = await call.body(subscriptionBody)
    const { deliveryConfiguration, filtersConfiguration } = properties
    checkDelivery(deliveryConfiguration, before)
    const topic = existingTopic(options, call)
    const queue = deliveryConfiguration?.queue
    const eventTimeToLive = queue?.eventTimeToLive ?? before?.eventTimeToLive ?? defaultTimeToLive
    const subscription: QueueSubscription = {
      id,
      name,
      topicId: topic.id,
      receiveLockDurationInSeconds:
        queue?.receiveLockDurationInSeconds ?? before?.receiveLockDurationInSeconds ?? lockSeconds.fallback,
      maxDeliveryCount: queue?.maxDeliveryCount ?? before?.maxDeliveryCount ?? deliveryCounts.fallback,
      eventTimeToLive,
      timeToLiveMs: timeToLiveOf(eventTimeToLive),
      filter: filterOf(filtersConfiguration, before),
    }
    options.store.commit([options.namespaces.subscriptions.put(subscription)])
    return subscription
  },
  remove({ store, namespaces, roles }, subscription) {
    store.commit([...namespaces.removeSubscription(subscription), ...roles.removeUnder(subscription.id)])
  },
  render: ({ receiveLockDurationInSeconds, maxDeliveryCount, eventTimeToLive, filter }) => ({
    deliveryConfiguration: {
      deliveryMode: 'Queue',
      queue: { receiveLockDurationInSeconds, maxDeliveryCount, eventTimeToLive },
    },
    eventDeliverySchema: 'CloudEventSchemaV1_0',
    filtersConfiguration: filter,
  }),
}

function checkDelivery(
  given: z.output<typeof subscriptionBody>['properties']['deliveryConfiguration'],
  before: QueueSubscription | undefined,
): void {
  if (given?.deliveryMode === undefined && before === undefined) {
    throw invalidRequest("The event subscription needs 'deliveryConfiguration' with 'deliveryMode'.")
  }
  const isPush = given?.deliveryMode !== undefined && given.deliveryMode.toLowerCase() !== 'queue'
  if (isPush || given?.push !== undefined) throw notImplemented("the delivery mode 'Push'. It has Queue")
  if (given?.queue?.deadLetterDestinationWithResourceIdentity === undefined) return
  throw notImplemented('destinations of dead letters, which are blobs')
}

function filterOf(
  given: z.output<typeof subscriptionBody>['properties']['filtersConfiguration'],
  before: QueueSubscription | undefined,
): CloudFilter {
  return {
    includedEventTypes: given?.includedEventTypes ?? before?.filter.includedEventTypes,
    filters: given?.filters ?? before?.filter.filters ?? [],
  }
}

/** Milliseconds of an ISO 8601 duration of days, hours, minutes and seconds. Throws {@link Refusal}. */
function timeToLiveOf(text: string): number {
  const found = /^P(?:(\d{1,3})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:(\d{1,7})S)?)?$/.exec(text)
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = (found ?? []).slice(1).map((part) => Number(part ?? 0))
  const ms = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000
  if (found !== null && ms >= minTimeToLiveMs && ms <= maxRetentionDays * 86_400_000) return ms
  throw invalidRequest(`'eventTimeToLive' is a duration from PT1M to P${maxRetentionDays}D: found '${text}'.`)
}
