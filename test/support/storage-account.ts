import { randomUUID } from 'node:crypto'
import { type TestAzure, testGroup } from './local-azure.ts'

export interface TestAccount {
  id: string
  name: string
  /** Origin of its queues, without a trailing slash. */
  queues: string
  key: string
}

/** Creates a storage account in the helper's resource group. */
export async function createStorageAccount(
  azure: TestAzure,
  name = `q${randomUUID().replaceAll('-', '').slice(0, 20)}`,
  properties: Record<string, unknown> = {},
): Promise<TestAccount> {
  const { subscriptionId } = azure.administrator
  const group = `/subscriptions/${subscriptionId}/resourceGroups/${testGroup}`
  const id = `${group}/providers/Microsoft.Storage/storageAccounts/${name}`
  const body = { location: 'westeurope', kind: 'StorageV2', sku: { name: 'Standard_LRS' }, properties }
  const account = await azure.arm.put(id, body)
  const { keys } = await azure.arm('POST', `${id}/listKeys`)
  const endpoint: string = account.properties.primaryEndpoints.queue
  return { id: account.id, name, queues: endpoint.replace(/\/$/, ''), key: keys[0].value }
}
