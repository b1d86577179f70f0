import { eventTypes } from '#product/operator'
import { messageSeconds, type SetupPlan } from './setup-plan.ts'

/** Ids of the built-in roles. https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/storage */
const roles = {
  sender: 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a',
  processor: '8a0f0c08-91a1-4084-bc3d-661d67233fed',
}

/** The setup as a Bicep template. The vaults have to be in the resource group that it is deployed to. */
export function bicepTemplate(plan: SetupPlan): string {
  const { vaults, cluster, resourceGroup, storageAccount, queue, identity, issuer, subject } = plan
  const types = eventTypes.map((type) => `        '${type}'`).join('\n')
  return `// Events of vaults for the cluster ${cluster}. A vault has at most one system topic: remove topics for vaults that have one.
// az deployment group create --resource-group ${resourceGroup} --template-file events.bicep
param location string = resourceGroup().location
param vaults array = [${vaults.map((vault) => `'${vault}'`).join(', ')}]

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: '${storageAccount}'
  location: location
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: { minimumTlsVersion: 'TLS1_2' }
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource queue 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = {
  parent: queueService
  name: '${queue}'
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = [for name in vaults: {
  name: name
}]

resource topic 'Microsoft.EventGrid/systemTopics@2022-06-15' = [for (name, i) in vaults: {
  name: 'keymount-\${name}'
  location: location
  identity: { type: 'SystemAssigned' }
  properties: {
    source: vault[i].id
    topicType: 'Microsoft.KeyVault.vaults'
  }
}]

resource sender 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (name, i) in vaults: {
  name: guid(account.id, name, 'sender')
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '${roles.sender}')
    principalId: topic[i].identity.principalId
    principalType: 'ServicePrincipal'
  }
}]

resource subscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2022-06-15' = [for (name, i) in vaults: {
  parent: topic[i]
  name: '${queue}'
  properties: {
    deliveryWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      destination: {
        endpointType: 'StorageQueue'
        properties: {
          resourceId: account.id
          queueName: queue.name
          queueMessageTimeToLiveInSeconds: ${messageSeconds}
        }
      }
    }
    filter: {
      includedEventTypes: [
${types}
      ]
    }
    eventDeliverySchema: 'EventGridSchema'
  }
  dependsOn: [sender[i]]
}]

resource operator 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${identity}'
  location: location
}

resource federation 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = {
  parent: operator
  name: 'keymount-operator'
  properties: {
    issuer: '${issuer}'
    subject: '${subject}'
    audiences: ['api://AzureADTokenExchange']
  }
}

resource processor 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(queue.id, operator.id, 'processor')
  scope: queue
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '${roles.processor}')
    principalId: operator.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

output queue string = '\${account.properties.primaryEndpoints.queue}\${queue.name}'
output clientID string = operator.properties.clientId
output tenantID string = tenant().tenantId
`
}
