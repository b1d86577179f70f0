import { randomUUID } from 'node:crypto'
import { type TestAzure, testGroup } from './local-azure.ts'

export interface TestNamespace {
  id: string
  name: string
  /** `https://NAME.westeurope-1.eventgrid.azure.net` */
  endpoint: string
  topic: { id: string; name: string }
  subscription: { id: string; name: string }
  /** Of the subscription, as `--events-namespace-topic` takes it. */
  url: string
}

/** Creates a namespace with the topic `changes` and its event subscription `cluster`, whose queue settings are `queue`. */
export async function createEventGridNamespace(
  azure: TestAzure,
  {
    name = `n${randomUUID().slice(0, 18)}`,
    queue = {},
    filters,
  }: { name?: string; queue?: object; filters?: object } = {},
): Promise<TestNamespace> {
  const { subscriptionId } = azure.administrator
  await azure.arm('POST', `/subscriptions/${subscriptionId}/providers/Microsoft.EventGrid/register`)
  const group = `/subscriptions/${subscriptionId}/resourceGroups/${testGroup}`
  const namespace = await azure.arm.put(`${group}/providers/Microsoft.EventGrid/namespaces/${name}`, {
    location: 'westeurope',
    sku: { name: 'Standard', capacity: 1 },
  })
  const topic = await azure.arm.put(`${namespace.id}/topics/changes`, { properties: { eventRetentionInDays: 1 } })
  const subscription = await azure.arm.put(`${topic.id}/eventSubscriptions/cluster`, {
    properties: { deliveryConfiguration: { deliveryMode: 'Queue', queue }, filtersConfiguration: filters },
  })
  const endpoint = `https://${namespace.properties.topicsConfiguration.hostname}`
  return {
    id: namespace.id,
    name,
    endpoint,
    topic: { id: topic.id, name: topic.name },
    subscription: { id: subscription.id, name: subscription.name },
    url: `${endpoint}/topics/changes/eventsubscriptions/cluster`,
  }
}
