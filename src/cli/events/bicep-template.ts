import { eventTypes } from '#product/operator'
import { bicepResource, bicepText } from '../azure-code/bicep.ts'
import { codeFile, expression } from '../azure-code/code.ts'
import { bicepFederation, bicepRole, identityType } from '../azure-code/identity-resources.ts'
import { eventGridVersion, messageSeconds, processorRole, type SetupPlan, senderRole } from './setup-plan.ts'

const storage = 'Microsoft.Storage/storageAccounts'
const storageVersion = '2023-05-01'

/** The setup as a Bicep template. The vaults have to be in the resource group that it is deployed to. */
export function bicepTemplate(plan: SetupPlan): string {
  const { vaults, cluster, resourceGroup } = plan
  return codeFile(
    `// Events of vaults for the cluster ${cluster}. A vault has at most one system topic: remove topics for vaults that have one.
// az deployment group create --resource-group ${resourceGroup} --template-file events.bicep
param location string = resourceGroup().location
param vaults array = [${vaults.map(bicepText).join(', ')}]`,
    ...queueResources(plan),
    ...topicResources(plan),
    ...operatorResources(plan),
    `output queue string = '\${account.properties.primaryEndpoints.queue}\${queue.name}'
output clientID string = operator.properties.clientId
output tenantID string = tenant().tenantId`,
  )
}

function queueResources({ storageAccount, queue }: SetupPlan): string[] {
  return [
    bicepResource({
      symbol: 'account',
      type: `${storage}@${storageVersion}`,
      body: {
        name: storageAccount,
        location: expression('location'),
        kind: 'StorageV2',
        sku: { name: 'Standard_LRS' },
        properties: { minimumTlsVersion: 'TLS1_2' },
      },
    }),
    bicepResource({
      symbol: 'queueService',
      type: `${storage}/queueServices@${storageVersion}`,
      body: { parent: expression('account'), name: 'default' },
    }),
    bicepResource({
      symbol: 'queue',
      type: `${storage}/queueServices/queues@${storageVersion}`,
      body: { parent: expression('queueService'), name: queue },
    }),
  ]
}

const eachVault = '(name, i) in vaults'

function topicResources({ queue }: SetupPlan): string[] {
  const destination = {
    endpointType: 'StorageQueue',
    properties: {
      resourceId: expression('account.id'),
      queueName: expression('queue.name'),
      queueMessageTimeToLiveInSeconds: messageSeconds,
    },
  }
  return [
    bicepResource({
      symbol: 'vault',
      type: 'Microsoft.KeyVault/vaults@2023-07-01',
      isExisting: true,
      each: 'name in vaults',
      body: { name: expression('name') },
    }),
    bicepResource({
      symbol: 'topic',
      type: `Microsoft.EventGrid/systemTopics@${eventGridVersion}`,
      each: eachVault,
      body: {
        name: expression(`'keymount-\${name}'`),
        location: expression('location'),
        identity: { type: 'SystemAssigned' },
        properties: { source: expression('vault[i].id'), topicType: 'Microsoft.KeyVault.vaults' },
      },
    }),
    bicepRole({
      symbol: 'sender',
      each: eachVault,
      role: senderRole,
      scope: 'account',
      seeds: ['account.id', 'name', bicepText('sender')],
      principalId: expression('topic[i].identity.principalId'),
    }),
    bicepResource({
      symbol: 'subscription',
      type: `Microsoft.EventGrid/systemTopics/eventSubscriptions@${eventGridVersion}`,
      each: eachVault,
      body: {
        parent: expression('topic[i]'),
        name: queue,
        properties: {
          deliveryWithResourceIdentity: { identity: { type: 'SystemAssigned' }, destination },
          filter: { includedEventTypes: eventTypes },
          eventDeliverySchema: 'EventGridSchema',
        },
        dependsOn: [expression('sender[i]')],
      },
    }),
  ]
}

function operatorResources({ identity, issuer, subject }: SetupPlan): string[] {
  return [
    bicepResource({
      symbol: 'operator',
      type: identityType,
      body: { name: identity, location: expression('location') },
    }),
    bicepFederation({ symbol: 'federation', parent: 'operator', name: 'keymount-operator', issuer, subject }),
    bicepRole({
      symbol: 'processor',
      role: processorRole,
      scope: 'queue',
      seeds: ['queue.id', 'operator.id', bicepText('processor')],
      principalId: expression('operator.properties.principalId'),
    }),
  ]
}
