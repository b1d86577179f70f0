import { z } from 'zod'
import { filterOperators } from '../../events/event-filter.ts'
import type { EventSubscription, QueueDestination, TopicDestination } from '../../events/event-subscriptions.ts'
import { maxAdvancedFilters, maxDeliveryAttempts, maxEventMinutes, maxFilterValues } from '../../events/limits.ts'
import { Refusal } from '../../http/refusal.ts'

/** The bodies of event subscription requests. https://learn.microsoft.com/rest/api/eventgrid/controlplane/event-subscriptions/create-or-update */

export const optional = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined)

const destinationSchema = z.object({
  endpointType: z.string(),
  properties: z.looseObject({
    resourceId: optional(z.string().max(1024)),
    queueName: optional(z.string().max(63)),
    queueMessageTimeToLiveInSeconds: optional(z.number().int().min(-1).max(Number.MAX_SAFE_INTEGER)),
  }),
})

const identity = z.object({
  type: z
    .string()
    .transform((word) => word.toLowerCase())
    .pipe(z.enum(['systemassigned', 'userassigned'])),
  userAssignedIdentity: optional(z.string().max(1024)),
})

export const advancedFilterSchema = z.object({
  operatorType: z.enum(filterOperators),
  key: z.string().min(1).max(256),
  value: optional(z.union([z.number(), z.boolean()])),
  values: optional(
    z.array(z.union([z.string().max(512), z.number(), z.array(z.number()).length(2)])).max(maxFilterValues),
  ),
})

/** The types of a vault's events. https://learn.microsoft.com/azure/event-grid/event-schema-key-vault */
const keyVaultEvents = [
  ...['Certificate', 'Key', 'Secret'].flatMap((noun) =>
    ['NewVersionCreated', 'NearExpiry', 'Expired'].map((kind) => `Microsoft.KeyVault.${noun}${kind}`),
  ),
  'Microsoft.KeyVault.VaultAccessPolicyChanged',
]
const eventType = z
  .string()
  .refine((given) => keyVaultEvents.some((known) => known.toLowerCase() === given.toLowerCase()), {
    message: `is not one of ${keyVaultEvents.join(', ')}`,
  })

const text = optional(z.string().max(512))
const filterSchema = z.object({
  includedEventTypes: optional(z.array(eventType).max(keyVaultEvents.length)),
  subjectBeginsWith: text,
  subjectEndsWith: text,
  isSubjectCaseSensitive: optional(z.boolean()),
  enableAdvancedFilteringOnArrays: optional(z.boolean()),
  advancedFilters: optional(z.array(advancedFilterSchema).max(maxAdvancedFilters)),
})

export const patchSubscriptionBody = z.object({
  destination: optional(destinationSchema),
  deliveryWithResourceIdentity: optional(z.object({ identity, destination: destinationSchema })),
  filter: optional(filterSchema),
  labels: optional(z.array(z.string().max(256)).max(64)),
  expirationTimeUtc: optional(z.iso.datetime({ offset: true })),
  eventDeliverySchema: optional(z.string()),
  retryPolicy: optional(
    z.object({
      maxDeliveryAttempts: optional(z.number().int().min(1).max(maxDeliveryAttempts)),
      eventTimeToLiveInMinutes: optional(z.number().int().min(1).max(maxEventMinutes)),
    }),
  ),
  deadLetterDestination: optional(z.unknown()),
  deadLetterWithResourceIdentity: optional(z.unknown()),
})

export const putSubscriptionBody = z.object({ properties: patchSubscriptionBody })

export type GivenSubscription = z.output<typeof patchSubscriptionBody>

type Settings = Omit<EventSubscription, 'id' | 'name' | 'source' | 'topicId'>

/** The settings of a subscription with `given` applied. Throws {@link Refusal} for what the lab does not have. */
export function applySubscription(given: GivenSubscription, before: Settings | undefined): Settings {
  refuseDeadLetters(given)
  const { filter, retryPolicy } = given
  const delivery = deliveryOf(given, before)
  return {
    ...delivery,
    filter: {
      includedEventTypes: filter === undefined ? before?.filter.includedEventTypes : filter.includedEventTypes,
      subjectBeginsWith: filter?.subjectBeginsWith ?? before?.filter.subjectBeginsWith ?? '',
      subjectEndsWith: filter?.subjectEndsWith ?? before?.filter.subjectEndsWith ?? '',
      isSubjectCaseSensitive: filter?.isSubjectCaseSensitive ?? before?.filter.isSubjectCaseSensitive ?? false,
      enableAdvancedFilteringOnArrays:
        filter?.enableAdvancedFilteringOnArrays ?? before?.filter.enableAdvancedFilteringOnArrays,
      advancedFilters: filter?.advancedFilters ?? before?.filter.advancedFilters ?? [],
    },
    eventDeliverySchema: schemaOf(given, delivery) ?? before?.eventDeliverySchema ?? 'EventGridSchema',
    retryPolicy: {
      maxDeliveryAttempts:
        retryPolicy?.maxDeliveryAttempts ?? before?.retryPolicy.maxDeliveryAttempts ?? maxDeliveryAttempts,
      eventTimeToLiveInMinutes:
        retryPolicy?.eventTimeToLiveInMinutes ?? before?.retryPolicy.eventTimeToLiveInMinutes ?? maxEventMinutes,
    },
    labels: given.labels ?? before?.labels ?? [],
    expirationTimeUtc: given.expirationTimeUtc ?? before?.expirationTimeUtc,
  }
}

function refuseDeadLetters({ deadLetterDestination, deadLetterWithResourceIdentity }: GivenSubscription): void {
  if (deadLetterDestination === undefined && deadLetterWithResourceIdentity === undefined) return
  throw notImplemented('destinations of dead letters, which are blobs')
}

export function notImplemented(what: string): Refusal {
  return new Refusal(501, 'NotImplemented', `The local Azure does not implement ${what}.`)
}

function deliveryOf(
  given: GivenSubscription,
  before: Settings | undefined,
): Pick<Settings, 'destination' | 'identity'> {
  const { destination, deliveryWithResourceIdentity: withIdentity } = given
  if (destination !== undefined && withIdentity !== undefined) {
    const message = "Only one of 'destination' and 'deliveryWithResourceIdentity' can be specified."
    throw new Refusal(400, 'InvalidRequest', message)
  }
  if (destination !== undefined) return { destination: destinationOf(destination), identity: undefined }
  if (withIdentity !== undefined) {
    const { type, userAssignedIdentity } = withIdentity.identity
    const isSystem = type === 'systemassigned'
    if (!isSystem && userAssignedIdentity === undefined) {
      throw new Refusal(400, 'InvalidRequest', "The identity of the type 'UserAssigned' needs 'userAssignedIdentity'.")
    }
    return {
      destination: destinationOf(withIdentity.destination),
      identity: isSystem ? { type: 'SystemAssigned' } : { type: 'UserAssigned', userAssignedIdentity },
    }
  }
  if (before !== undefined) return { destination: before.destination, identity: before.identity }
  throw new Refusal(
    400,
    'InvalidRequest',
    "The event subscription needs 'destination' or 'deliveryWithResourceIdentity'.",
  )
}

type GivenDestination = z.output<typeof destinationSchema>

function destinationOf({ endpointType, properties }: GivenDestination): QueueDestination | TopicDestination {
  const type = endpointType.toLowerCase()
  if (type === 'storagequeue') return queueOf(properties)
  if (type === 'namespacetopic') return topicOf(properties)
  throw notImplemented(
    `event subscriptions with destinations of the type '${endpointType}'. It has StorageQueue and NamespaceTopic`,
  )
}

function topicOf({ resourceId }: GivenDestination['properties']): TopicDestination {
  if (resourceId !== undefined) return { endpointType: 'NamespaceTopic', resourceId }
  throw new Refusal(400, 'InvalidRequest', "A destination of the type 'NamespaceTopic' needs 'resourceId'.")
}

function queueOf(properties: GivenDestination['properties']): QueueDestination {
  const { resourceId, queueName, queueMessageTimeToLiveInSeconds } = properties
  if (resourceId === undefined || queueName === undefined) {
    const message = "A destination of the type 'StorageQueue' needs 'resourceId' and 'queueName'."
    throw new Refusal(400, 'InvalidRequest', message)
  }
  if (queueMessageTimeToLiveInSeconds === 0) {
    const message = "'queueMessageTimeToLiveInSeconds' is at least 1, or -1 for messages that do not expire."
    throw new Refusal(400, 'InvalidRequest', message)
  }
  return { resourceId, queueName, queueMessageTimeToLiveInSeconds }
}

const schemas = ['EventGridSchema', 'CloudEventSchemaV1_0'] as const

function schemaOf({ eventDeliverySchema: given }: GivenSubscription, { destination }: Pick<Settings, 'destination'>) {
  const schema = schemas.find((known) => known.toLowerCase() === given?.toLowerCase())
  if (destination.endpointType === 'NamespaceTopic') {
    if (given === undefined || schema === 'CloudEventSchemaV1_0') return 'CloudEventSchemaV1_0'
    const message = "A destination of the type 'NamespaceTopic' needs the delivery schema 'CloudEventSchemaV1_0'."
    throw new Refusal(400, 'InvalidRequest', message)
  }
  if (given === undefined || schema !== undefined) return schema
  throw notImplemented(`the delivery schema '${given}'. It has ${schemas.join(' and ')}`)
}

/** The subscription as Resource Manager returns it. */
export function renderSubscription(subscription: EventSubscription, type: string) {
  const { id, name, source, identity, filter, destination: given, topicId: _, ...settings } = subscription
  const { endpointType = 'StorageQueue', ...properties } = given
  const destination = { endpointType, properties }
  return {
    id,
    name,
    type,
    properties: {
      topic: source,
      provisioningState: 'Succeeded',
      destination: identity === undefined ? destination : null,
      deliveryWithResourceIdentity: identity === undefined ? null : { identity, destination },
      filter: { ...filter, includedEventTypes: filter.includedEventTypes ?? keyVaultEvents },
      deadLetterDestination: null,
      ...settings,
    },
  }
}
