import type { IdentityHolder } from '../arm/resource-identity.ts'
import type { Change, Collection, RecordStore } from '../records/record-store.ts'
import type { EventFilter } from './event-filter.ts'

/** The topic of one Azure resource, whose identity can deliver its events. */
export interface SystemTopic extends IdentityHolder {
  location: string
  tags: Record<string, string>
  /** Resource id of the vault, in its own casing. */
  source: string
  topicType: string
  /** The part of its metrics' names that Azure generates. */
  metricResourceId: string
}

export type EventSchema = 'EventGridSchema' | 'CloudEventSchemaV1_0'

/** Delivers the events of one vault that pass a filter to a queue or to the topic of a namespace. */
export interface EventSubscription {
  /** Resource id: below the system topic, or an extension of the vault. */
  id: string
  name: string
  /** Resource id of the vault, in its own casing. */
  source: string
  /** Resource id of its system topic; undefined for an extension of the vault. */
  topicId?: string | undefined
  destination: QueueDestination | TopicDestination
  /** Whose roles the delivery needs. Default: Event Grid itself delivers with the account's key. */
  identity?: { type: 'SystemAssigned' | 'UserAssigned'; userAssignedIdentity?: string | undefined } | undefined
  filter: EventFilter
  eventDeliverySchema: EventSchema
  retryPolicy: { maxDeliveryAttempts: number; eventTimeToLiveInMinutes: number }
  labels: string[]
  /** ISO 8601. */
  expirationTimeUtc?: string | undefined
}

export interface QueueDestination {
  endpointType?: undefined
  /** Id of the storage account. */
  resourceId: string
  queueName: string
  /** -1: the messages do not expire. Default: 7 days. */
  queueMessageTimeToLiveInSeconds?: number | undefined
}

/** The topic of a namespace. */
export interface TopicDestination {
  endpointType: 'NamespaceTopic'
  /** Id of the topic. */
  resourceId: string
}

/** System topics and event subscriptions. Keys are resource ids, in any case. */
export interface EventGridRecords {
  topics: GridCollection<SystemTopic>
  subscriptions: GridCollection<EventSubscription>
  /** All subscriptions to one vault. */
  ofSource(source: string): EventSubscription[]
  /** The changes that remove the topic with its subscriptions. */
  removeTopic(topic: SystemTopic): Change[]
  /** The changes that remove what exists for a vault that is deleted. */
  removeSource(source: string): Change[]
}

export interface GridCollection<T> {
  get(id: string): T | undefined
  all(): T[]
  put(value: T): Change
  remove(value: T): Change
}

/** @param removeIdentity returns the changes that remove the system-assigned identity of a topic. */
export function createEventGridRecords(
  store: RecordStore,
  removeIdentity: (topic: SystemTopic) => Change[],
): EventGridRecords {
  const topics = gridCollection(store.collection<SystemTopic>('system-topics'))
  const stored = store.collection<EventSubscription>('event-subscriptions')
  const subscriptions = gridCollection(stored)
  const bySource = new Map<string, Map<string, EventSubscription>>()
  stored.observe((key, after, before) => {
    const source = (after ?? before)?.source.toLowerCase() ?? ''
    const ofSource = bySource.get(source) ?? new Map<string, EventSubscription>()
    bySource.set(source, ofSource)
    if (after === undefined) ofSource.delete(key)
    else ofSource.set(key, after)
  })

  const ofSource = (source: string) => [...(bySource.get(source.toLowerCase())?.values() ?? [])]
  function removeTopic(topic: SystemTopic): Change[] {
    const own = ofSource(topic.source).filter(({ topicId }) => topicId?.toLowerCase() === topic.id.toLowerCase())
    return [...own.map(subscriptions.remove), ...removeIdentity(topic), topics.remove(topic)]
  }
  return {
    topics,
    subscriptions,
    ofSource,
    removeTopic,
    removeSource(source) {
      const ofVault = topics.all().filter((topic) => topic.source.toLowerCase() === source.toLowerCase())
      const extensions = ofSource(source).filter(({ topicId }) => topicId === undefined)
      return [...ofVault.flatMap(removeTopic), ...extensions.map(subscriptions.remove)]
    },
  }
}

/** Records by their resource id, in any case. */
export function gridCollection<T extends { id: string }>(collection: Collection<T>): GridCollection<T> {
  return {
    get: (id) => collection.get(id.toLowerCase()),
    all: () => [...collection.values()],
    put: (value) => collection.put(value.id.toLowerCase(), value),
    remove: ({ id }) => collection.remove(id.toLowerCase()),
  }
}
