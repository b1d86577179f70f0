import { CodedError } from '#lib'
import type { RoleAssignments } from '../access/role-assignments.ts'
import type { Identities } from '../arm/managed-identity/identities.ts'
import { Refusal } from '../http/refusal.ts'
import type { Change } from '../records/record-store.ts'
import type { StorageAccount, StorageAccounts } from '../storage/accounts.ts'
import { defaultTimeToLiveSeconds, neverExpires } from '../storage/limits.ts'
import type { Queues } from '../storage/queues.ts'
import { cloudEvent } from './cloud-event.ts'
import type { GridEvent } from './event-feed.ts'
import type { EventGridRecords, EventSchema, EventSubscription, QueueDestination } from './event-subscriptions.ts'

export type DeliveryFailureCode = 'NotFound' | 'Forbidden' | 'Unavailable'

/** An attempt that failed, and that Event Grid repeats. */
export class DeliveryFailure extends CodedError<DeliveryFailureCode> {}

export interface DeliveryIdentityOptions {
  records: EventGridRecords
  identities: Identities
  roles: RoleAssignments
}

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

/** What a destination answers. Throws {@link DeliveryFailure} where it is full. */
export function added(add: () => Change[]): Change[] {
  try {
    return add()
  } catch (error) {
    if (error instanceof Refusal) throw new DeliveryFailure('Unavailable', error.message)
    throw error
  }
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

/** What an identity needs that delivers: one of the data actions on the destination, which the role has. */
export interface SenderNeed {
  dataActions: readonly string[]
  role: string
  resource: string
}

/** Throws {@link DeliveryFailure} where the identity of the subscription has not what it needs. */
export function checkSender(options: DeliveryIdentityOptions, subscription: EventSubscription, need: SenderNeed): void {
  const { dataActions, role, resource } = need
  const principalId = principalOf(options, subscription)
  if (dataActions.some((action) => options.roles.permitsData(principalId ?? '', action, resource))) return
  const who = principalId === undefined ? 'the identity, which its topic no longer has,' : `the identity ${principalId}`
  throw new DeliveryFailure('Forbidden', `${who} needs the role ${role} on ${resource}`)
}

/** Object id of the identity that delivers. */
function principalOf({ records, identities }: DeliveryIdentityOptions, subscription: EventSubscription) {
  const topic = records.topics.get(subscription.topicId ?? '')
  const { type, userAssignedIdentity = '' } = subscription.identity ?? {}
  if (type === 'SystemAssigned') return topic?.systemPrincipalId
  const isAssigned = topic?.identityIds.some((id) => id.toLowerCase() === userAssignedIdentity.toLowerCase())
  return isAssigned === true ? identities.get(userAssignedIdentity)?.principalId : undefined
}

/** Base64 of the event's JSON, as Event Grid writes queue messages. */
function messageOf(event: GridEvent, schema: EventSchema): string {
  const body = schema === 'EventGridSchema' ? event : cloudEvent(event)
  return Buffer.from(JSON.stringify(body)).toString('base64')
}
