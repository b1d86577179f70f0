import { createHash } from 'node:crypto'
import { type AzureService, type AzureTokens, assignRole, type BuiltInRole, builtInRoles } from '#azure/rest'
import type { HttpSend } from '#lib/http'

/** A storage queue for the events of vaults. */
export interface EventQueue {
  /** `https://ACCOUNT.queue.core.windows.net/QUEUE` */
  url: string
  name: string
  /** Resource id of its storage account. */
  account: string
}

export interface EventQueueContext {
  resourceManager: AzureService
  /** Resource id of the group for what is created. */
  group: string
  subscriptionId: string
  location: string
  tokens: AzureTokens
  send: HttpSend
  /** Object id of who creates it. */
  principalId: string
}

const providers = { apiVersion: '2021-04-01' }
const accounts = { apiVersion: '2023-05-01' }
const eventGrid = { apiVersion: '2022-06-15' }
const storageResource = 'https://storage.azure.com'

/** Creates a storage account with a queue, where there are none. */
export async function createEventQueue(context: EventQueueContext, name: string): Promise<EventQueue> {
  const { resourceManager, group, location, principalId, tokens, send } = context
  const digest = createHash('sha256').update(group).digest('hex').slice(0, 12)
  const account = `${group}/providers/Microsoft.Storage/storageAccounts/keymount${digest}`
  const answer = await resourceManager.put<{ properties: { primaryEndpoints: { queue: string } } }>(
    account,
    { location, kind: 'StorageV2', sku: { name: 'Standard_LRS' }, properties: {} },
    accounts,
  )
  await giveRole(context, { role: 'Storage Queue Data Contributor', principalId, scope: account })
  const url = new URL(name, answer.properties.primaryEndpoints.queue)
  const token = await tokens.get(storageResource)
  const headers = { authorization: `Bearer ${token.revealText()}`, 'x-ms-version': '2017-11-09' }
  const { status, body } = await send({ method: 'PUT', url, headers, body: '' })
  if (status !== 201 && status !== 204) throw new Error(`the queue ${url.href} was not created: ${status} ${body}`)
  return { url: url.href, name, account }
}

/** A vault by its resource id, and where it is. */
export interface VaultSource {
  id: string
  name: string
  location: string
}

/** Has Event Grid write the events of a vault to the queue, with the identity of the vault's topic. */
export async function subscribeToVault(
  context: EventQueueContext,
  { queue, vault, types }: { queue: EventQueue; vault: VaultSource; types: readonly string[] },
): Promise<void> {
  const { resourceManager, group, subscriptionId } = context
  await resourceManager.post(`/subscriptions/${subscriptionId}/providers/Microsoft.EventGrid/register`, {}, providers)
  const topics = `/subscriptions/${subscriptionId}/providers/Microsoft.EventGrid/systemTopics`
  const all = await resourceManager.list<{ id: string; properties: { source: string } }>(topics, eventGrid)
  // A vault has one topic at most.
  const found = all.find(({ properties }) => properties.source.toLowerCase() === vault.id.toLowerCase())
  const topic = found?.id ?? `${group}/providers/Microsoft.EventGrid/systemTopics/keymount-${vault.name}`
  const { identity } = await resourceManager.put<{ identity: { principalId: string } }>(
    topic,
    {
      location: vault.location,
      identity: { type: 'SystemAssigned' },
      properties: { source: vault.id, topicType: 'Microsoft.KeyVault.vaults' },
    },
    eventGrid,
  )
  const sender = { role: 'Storage Queue Data Message Sender', principalId: identity.principalId } as const
  await giveRole(context, { ...sender, scope: queue.account })
  const destination = {
    endpointType: 'StorageQueue',
    properties: { resourceId: queue.account, queueName: queue.name },
  }
  const properties = {
    deliveryWithResourceIdentity: { identity: { type: 'SystemAssigned' }, destination },
    filter: { includedEventTypes: types },
    eventDeliverySchema: 'EventGridSchema',
  }
  await resourceManager.put(`${topic}/eventSubscriptions/${queue.name}`, { properties }, eventGrid)
}

export async function giveRole(
  { resourceManager, subscriptionId }: Pick<EventQueueContext, 'resourceManager' | 'subscriptionId'>,
  { role, principalId, scope }: { role: BuiltInRole; principalId: string; scope: string },
): Promise<void> {
  const definitions = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions`
  await assignRole(resourceManager, { scope, principalId, roleDefinitionId: `${definitions}/${builtInRoles[role]}` })
}
