import { randomUUID } from 'node:crypto'
import type { Cloud } from '../proxy/clouds.ts'
import type { Change, RecordStore } from '../records/record-store.ts'
import type { Queue, Queues } from '../storage/queues.ts'
import type { CloudFilter } from './cloud-event.ts'
import { type GridCollection, gridCollection } from './event-subscriptions.ts'

/** A namespace of Event Grid: the host of topics whose events clients fetch. */
export interface GridNamespace {
  /** Resource id. */
  id: string
  name: string
  location: string
  tags: Record<string, string>
  /** Throughput units, 1 to 40. */
  capacity: number
  publicNetworkAccess: 'Enabled' | 'Disabled'
  /** Of this namespace and of no later one with its name: its events are kept under it. */
  uid: string
}

export interface NamespaceTopic {
  id: string
  name: string
  /** Id of its namespace. */
  namespaceId: string
  eventRetentionInDays: number
}

/** The events of a topic that pass a filter, which clients receive and acknowledge. */
export interface QueueSubscription {
  id: string
  name: string
  /** Id of its topic. */
  topicId: string
  receiveLockDurationInSeconds: number
  maxDeliveryCount: number
  /** Of an event, as given: an ISO 8601 duration. */
  eventTimeToLive: string
  timeToLiveMs: number
  filter: CloudFilter
}

/** Namespaces with their topics and subscriptions, and the events that wait in these. */
export interface Namespaces {
  namespaces: GridCollection<GridNamespace>
  topics: GridCollection<NamespaceTopic>
  subscriptions: GridCollection<QueueSubscription>
  /** The namespace that serves a host. */
  ofHost(host: string): GridNamespace | undefined
  hostOf(namespace: GridNamespace): string
  topicsOf(namespace: GridNamespace): NamespaceTopic[]
  subscriptionsOf(topic: NamespaceTopic): QueueSubscription[]
  /** The queue of a subscription's events. */
  queueOf(subscription: QueueSubscription): Queue
  /** The changes that remove each with everything below it. */
  removeNamespace(namespace: GridNamespace): Change[]
  removeTopic(topic: NamespaceTopic): Change[]
  removeSubscription(subscription: QueueSubscription): Change[]
}

/** @param events the queues of subscriptions, which no storage account has. */
export function createNamespaces(store: RecordStore, events: Queues, cloud: Cloud): Namespaces {
  const namespaces = gridCollection(store.collection<GridNamespace>('grid-namespaces'))
  const topics = gridCollection(store.collection<NamespaceTopic>('namespace-topics'))
  const subscriptions = gridCollection(store.collection<QueueSubscription>('queue-subscriptions'))
  const hostOf = ({ name, location }: GridNamespace) => `${name}.${location}-1.${cloud.eventGridSuffix}`.toLowerCase()
  const topicsOf = ({ id }: GridNamespace) => topics.all().filter(({ namespaceId }) => namespaceId === id)
  const subscriptionsOf = ({ id }: NamespaceTopic) => subscriptions.all().filter(({ topicId }) => topicId === id)

  function queueOf({ topicId, name }: QueueSubscription): Queue {
    const topic = topics.get(topicId)
    const uid = namespaces.get(topic?.namespaceId ?? '')?.uid ?? randomUUID()
    return { account: uid, name: `${topic?.name}:${name}`.toLowerCase(), metadata: {} }
  }
  function removeSubscription(subscription: QueueSubscription): Change[] {
    return [...events.remove(queueOf(subscription)), subscriptions.remove(subscription)]
  }
  const removeTopic = (topic: NamespaceTopic): Change[] => [
    ...subscriptionsOf(topic).flatMap(removeSubscription),
    topics.remove(topic),
  ]
  return {
    namespaces,
    topics,
    subscriptions,
    ofHost: (host) => namespaces.all().find((namespace) => hostOf(namespace) === host),
    hostOf,
    topicsOf,
    subscriptionsOf,
    queueOf,
    removeSubscription,
    removeTopic,
    removeNamespace: (namespace) => [...topicsOf(namespace).flatMap(removeTopic), namespaces.remove(namespace)],
  }
}
