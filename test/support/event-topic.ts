import { assignRole, type BuiltInRole, builtInRoles } from '#azure/rest'
import type { LabAzure } from '#lab/home'
import { eventTypes } from '#product/operator'

const api = { apiVersion: '2025-02-15' }
const providersApi = { apiVersion: '2021-04-01' }

/**
 * In an Event Grid namespace, a topic that the events of a vault come to, and its event subscription, which the identity with the object id
 * `reader` may receive from. @returns the subscription, as `--events-namespace-topic` takes it.
 */
export async function createEventTopic(azure: LabAzure, vaultName: string, reader: string): Promise<string> {
  const { resourceManager, subscriptionId } = azure
  const put = <T = { id: string }>(id: string, body: object) => resourceManager.put<T>(id, body, api)
  await resourceManager.post(
    `/subscriptions/${subscriptionId}/providers/Microsoft.EventGrid/register`,
    {},
    providersApi,
  )
  const vault = (await azure.vaults()).find(({ name }) => name === vaultName)
  if (vault === undefined) throw new Error(`there is no vault ${vaultName}`)
  const { location } = vault
  const eventGrid = `${vault.id.slice(0, vault.id.indexOf('/providers/'))}/providers/Microsoft.EventGrid`
  const namespace = await put<{ id: string; properties: { topicsConfiguration: { hostname: string } } }>(
    `${eventGrid}/namespaces/keymount-${vaultName}`,
    { location, sku: { name: 'Standard', capacity: 1 } },
  )
  const topic = await put(`${namespace.id}/topics/changes`, { properties: { eventRetentionInDays: 1 } })
  const subscription = await put(`${topic.id}/eventSubscriptions/cluster`, {
    properties: { deliveryConfiguration: { deliveryMode: 'Queue', queue: { maxDeliveryCount: 10 } } },
  })
  const giveRole = (role: BuiltInRole, principalId: string, scope: string) =>
    assignRole(resourceManager, {
      scope,
      principalId,
      roleDefinitionId: `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${builtInRoles[role]}`,
    })
  await giveRole('EventGrid Data Receiver', reader, subscription.id)
  // A vault has one system topic at most.
  const systemTopics = `/subscriptions/${subscriptionId}/providers/Microsoft.EventGrid/systemTopics`
  const all = await resourceManager.list<{ id: string; properties: { source: string } }>(systemTopics, api)
  const found = all.find(({ properties }) => properties.source.toLowerCase() === vault.id.toLowerCase())
  const systemTopic = await put<{ id: string; identity: { principalId: string } }>(
    found?.id ?? `${eventGrid}/systemTopics/keymount-${vaultName}`,
    {
      location,
      identity: { type: 'SystemAssigned' },
      properties: { source: vault.id, topicType: 'Microsoft.KeyVault.vaults' },
    },
  )
  await giveRole('EventGrid Data Sender', systemTopic.identity.principalId, topic.id)
  const destination = { endpointType: 'NamespaceTopic', properties: { resourceId: topic.id } }
  await put(`${systemTopic.id}/eventSubscriptions/to-topic`, {
    properties: {
      deliveryWithResourceIdentity: { identity: { type: 'SystemAssigned' }, destination },
      filter: { includedEventTypes: eventTypes },
      eventDeliverySchema: 'CloudEventSchemaV1_0',
    },
  })
  const { hostname } = namespace.properties.topicsConfiguration
  return `https://${hostname}/topics/changes/eventsubscriptions/cluster`
}
