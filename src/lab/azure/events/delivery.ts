import { CodedError } from '#lib'
import type { RoleAssignments } from '../access/role-assignments.ts'
import type { Identities } from '../arm/managed-identity/identities.ts'
import { Refusal } from '../http/refusal.ts'
import type { Change } from '../records/record-store.ts'
import type { EventGridRecords, EventSubscription } from './event-subscriptions.ts'

export type DeliveryFailureCode = 'NotFound' | 'Forbidden' | 'Unavailable'

/** An attempt that failed, and that Event Grid repeats. */
export class DeliveryFailure extends CodedError<DeliveryFailureCode> {}

export interface DeliveryIdentityOptions {
  records: EventGridRecords
  identities: Identities
  roles: RoleAssignments
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
