import type { Change } from '../records/record-store.ts'
import type { StorageAccount, StorageAccounts } from '../storage/accounts.ts'
import { defaultTimeToLiveSeconds, neverExpires } from '../storage/limits.ts'
import type { Queues } from '../storage/queues.ts'
import { cloudEvent } from './cloud-event.ts'
import { added, checkSender, DeliveryFailure, type DeliveryIdentityOptions } from './delivery.ts'
import type { GridEvent } from './event-feed.ts'
import type { EventSchema, EventSubscription, QueueDestination } from './event-subscriptions.ts'

export interface QueueDeliveryOptions extends DeliveryIdentityOptions {
  accounts: StorageAccounts
  queues: Queues
  /** Whether the queues of this account have a fault, set through the control socket. */
  isFaulty: (account: string) => boolean
}

/** The changes that put the event into the subscription's queue at `now`. Throws {@link DeliveryFailure}. */
export function deliverToQueue(
  options: QueueDeliveryOptions,
  event: GridEvent,
  subscription: EventSubscription,
  destination: QueueDestination,
  now: number,
): Change[] {
  const { resourceId, queueName, queueMessageTimeToLiveInSeconds: given } = destination
  const account = options.accounts.byId(resourceId)
  if (account === undefined) throw new DeliveryFailure('NotFound', `there is no storage account ${resourceId}`)
  if (options.isFaulty(account.name))
    throw new DeliveryFailure('Unavailable', `the queues of ${account.name} are faulty`)
  checkAccess(options, subscription, account, queueName)
  const queue = options.queues.get(account.name, queueName)
  if (queue === undefined) throw new DeliveryFailure('NotFound', `there is no queue ${queueName} in ${account.name}`)
  const seconds = given ?? defaultTimeToLiveSeconds
  const fields = {
    text: messageOf(event, subscription.eventDeliverySchema),
    insertedAt: now,
    visibleAt: now,
    expiresAt: seconds === -1 ? neverExpires : Math.min(now + seconds * 1000, neverExpires),
  }
  return added(() => options.queues.add(queue, fields).changes)
}

/** With an identity, the delivery needs its role; without, Event Grid uses the account's key, as far as that is allowed. */
function checkAccess(
  options: QueueDeliveryOptions,
  subscription: EventSubscription,
  account: StorageAccount,
  queueName: string,
): void {
  const { allowSharedKeyAccess, publicNetworkAccess, networkAcls } = account.properties
  const { identity } = subscription
  const isOpen = publicNetworkAccess === 'Enabled' && networkAcls.defaultAction === 'Allow'
  const isTrusted = identity !== undefined && networkAcls.bypass.includes('AzureServices')
  if (!isOpen && !isTrusted) {
    throw new DeliveryFailure('Forbidden', `the firewall of ${account.name} keeps out a delivery without identity`)
  }
  if (identity === undefined) {
    if (allowSharedKeyAccess) return
    throw new DeliveryFailure('Forbidden', `${account.name} does not allow keys: the subscription needs an identity`)
  }
  const messages = 'Microsoft.Storage/storageAccounts/queueServices/queues/messages'
  checkSender(options, subscription, {
    dataActions: [`${messages}/add/action`, `${messages}/write`],
    role: 'Storage Queue Data Message Sender',
    resource: `${account.id}/queueServices/default/queues/${queueName}`,
  })
}

/** Base64 of the event's JSON, as Event Grid writes queue messages. */
function messageOf(event: GridEvent, schema: EventSchema): string {
  const body = schema === 'EventGridSchema' ? event : cloudEvent(event)
  return Buffer.from(JSON.stringify(body)).toString('base64')
}
