import { eventTypes } from '#product/operator'
import type { CodeValue } from '../azure-code/code.ts'

/** Properties of event subscriptions as Resource Manager takes them: the same in every format. */

/** How long a message of a queue waits for the operator. */
export const messageSeconds = 86_400

/** Of a vault's topic, which writes to a queue with its own identity. */
export function toQueue(resourceId: CodeValue, queueName: CodeValue) {
  const properties = { resourceId, queueName, queueMessageTimeToLiveInSeconds: messageSeconds }
  return deliveredProperties({ endpointType: 'StorageQueue', properties }, 'EventGridSchema')
}

/** Of a vault's topic, which sends to the topic of a namespace with its own identity. */
export function toNamespaceTopic(resourceId: CodeValue) {
  return deliveredProperties({ endpointType: 'NamespaceTopic', properties: { resourceId } }, 'CloudEventSchemaV1_0')
}

function deliveredProperties(destination: CodeValue, eventDeliverySchema: string) {
  return {
    deliveryWithResourceIdentity: { identity: { type: 'SystemAssigned' }, destination },
    filter: { includedEventTypes: eventTypes },
    eventDeliverySchema,
  }
}

/** Of a namespace's topic, for the operator to receive from. Other publishers may send to the topic too. */
export const receivedProperties = {
  deliveryConfiguration: {
    deliveryMode: 'Queue',
    // The operator rejects events itself, after fewer deliveries.
    queue: { maxDeliveryCount: 10, eventTimeToLive: 'P1D' },
  },
  eventDeliverySchema: 'CloudEventSchemaV1_0',
  filtersConfiguration: { includedEventTypes: eventTypes },
}
