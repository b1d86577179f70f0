import { Refusal } from '../http/refusal.ts'
import type { Change } from '../records/record-store.ts'
import type { Queues } from '../storage/queues.ts'
import { type CloudEvent, cloudEvent, passesCloudFilter } from './cloud-event.ts'
import { added, checkSender, DeliveryFailure, type DeliveryIdentityOptions } from './delivery.ts'
import type { GridEvent } from './event-feed.ts'
import type { EventSubscription, TopicDestination } from './event-subscriptions.ts'
import type { Namespaces, NamespaceTopic } from './namespaces.ts'

export interface TopicPublishOptions {
  namespaces: Namespaces
  /** Queues of the subscriptions of namespaces. */
  events: Queues
}

export interface TopicDeliveryOptions extends TopicPublishOptions, DeliveryIdentityOptions {
  /** Whether a host has a fault, set through the control socket. */
  hasFault: (host: string) => boolean
}

/** The changes that publish the event to the topic of a namespace at `now`. Throws {@link DeliveryFailure}. */
export function deliverToTopic(
  options: TopicDeliveryOptions,
  event: GridEvent,
  subscription: EventSubscription,
  { resourceId }: TopicDestination,
  now: number,
): Change[] {
  const { namespaces } = options
  const topic = namespaces.topics.get(resourceId)
  const namespace = namespaces.namespaces.get(topic?.namespaceId ?? '')
  if (topic === undefined || namespace === undefined) {
    throw new DeliveryFailure('NotFound', `there is no topic ${resourceId}`)
  }
  if (options.hasFault(namespaces.hostOf(namespace))) {
    throw new DeliveryFailure('Unavailable', `the namespace ${namespace.name} is faulty`)
  }
  checkSender(options, subscription, {
    dataActions: ['Microsoft.EventGrid/events/send/action'],
    role: 'EventGrid Data Sender',
    resource: topic.id,
  })
  return added(() => publishToTopic(options, topic, [cloudEvent(event)], now))
}

/** The changes that put events into all subscriptions of the topic that want them. Throws {@link Refusal} when one is full. */
export function publishToTopic(
  { namespaces, events: queues }: TopicPublishOptions,
  topic: NamespaceTopic,
  events: readonly CloudEvent[],
  now: number,
): Change[] {
  return namespaces.subscriptionsOf(topic).flatMap((subscription) => {
    const queue = namespaces.queueOf(subscription)
    const expiresAt = now + Math.min(subscription.timeToLiveMs, topic.eventRetentionInDays * 86_400_000)
    return events
      .filter((event) => passesCloudFilter(event, subscription.filter))
      .flatMap((event) => {
        const fields = { text: JSON.stringify(event), insertedAt: now, visibleAt: now, expiresAt }
        return queues.add(queue, fields).changes
      })
  })
}
