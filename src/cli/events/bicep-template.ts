import { CliError, commandLine } from '#terminal'
import { bicepResource, bicepText } from '../azure-code/bicep.ts'
import { type CodeValue, codeFile, expression } from '../azure-code/code.ts'
import { bicepFederation, bicepRole, identityType } from '../azure-code/identity-resources.ts'
import { eventGridVersion, namespaceVersion, roles, type SetupPlan, type TopicDestination } from './setup-plan.ts'
import { receivedProperties, toNamespaceTopic, toQueue } from './subscription-properties.ts'

const storage = 'Microsoft.Storage/storageAccounts'
const storageVersion = '2023-05-01'
const namespaces = 'Microsoft.EventGrid/namespaces'

/**
 * The setup as a Bicep template. The vaults, and the namespace of the topic, have to be in the resource group that it is deployed to.
 * Throws `CliError` for a namespace in another one.
 */
export function bicepTemplate(plan: SetupPlan): string {
  const { vaults, cluster, resourceGroup, destination } = plan
  const parts =
    destination.kind === 'queue' ? queueParts(plan, destination.storageAccount) : topicParts(plan, destination)
  const where = destination.kind === 'queue' ? '' : ` --subscription ${destination.subscription}`
  return codeFile(
    `// Events of vaults for the cluster ${cluster}. A vault has at most one system topic: remove topics for vaults that have one.
// az deployment group create${where} --resource-group ${commandLine(resourceGroup)} --template-file events.bicep
param location string = resourceGroup().location
param vaults array = [${vaults.map(bicepText).join(', ')}]`,
    ...parts.create,
    ...vaultResources(plan, parts),
    ...operatorResources(plan, parts),
    `${parts.output}
output clientID string = operator.properties.clientId
output tenantID string = tenant().tenantId`,
  )
}

/** What differs between a queue and the topic of a namespace. */
interface DestinationParts {
  /** The resources that the vaults deliver to. */
  create: readonly string[]
  /** Symbols: what the identity of a vault's topic, and the operator, have their role on. */
  senderScope: string
  receiverScope: string
  receiverSymbol: string
  /** Of the event subscriptions of the vaults. */
  properties: CodeValue
  apiVersion: string
  output: string
}

function queueParts({ name }: SetupPlan, storageAccount: string): DestinationParts {
  return {
    create: queueResources(name, storageAccount),
    senderScope: 'account',
    receiverScope: 'queue',
    receiverSymbol: 'processor',
    properties: toQueue(expression('account.id'), expression('queue.name')),
    apiVersion: eventGridVersion,
    output: `output queue string = '\${account.properties.primaryEndpoints.queue}\${queue.name}'`,
  }
}

function topicParts({ name, resourceGroup }: SetupPlan, destination: TopicDestination): DestinationParts {
  if (destination.resourceGroup.toLowerCase() !== resourceGroup.toLowerCase())
    throw new CliError({
      what: 'a Bicep template for one resource group cannot create the event subscription',
      why: `the namespace of --namespace-topic is in the resource group ${destination.resourceGroup}, and --resource-group is ${resourceGroup}`,
      fix: [
        'Use --format az or --format terraform, which reach a namespace in another resource group.',
        `Or use --resource-group ${commandLine(destination.resourceGroup)}, if the vaults are there too.`,
      ],
      code: 'usage',
    })
  return {
    create: namespaceResources(name, destination),
    senderScope: 'namespaceTopic',
    receiverScope: 'received',
    receiverSymbol: 'receiver',
    properties: toNamespaceTopic(expression('namespaceTopic.id')),
    apiVersion: namespaceVersion,
    output: `output namespaceTopic string = 'https://\${eventNamespace.properties.topicsConfiguration.hostname}/topics/\${namespaceTopic.name}/eventsubscriptions/\${received.name}'`,
  }
}

function namespaceResources(name: string, { namespace, topic }: TopicDestination): string[] {
  return [
    bicepResource({
      symbol: 'eventNamespace',
      type: `${namespaces}@${namespaceVersion}`,
      isExisting: true,
      body: { name: namespace },
    }),
    bicepResource({
      symbol: 'namespaceTopic',
      type: `${namespaces}/topics@${namespaceVersion}`,
      isExisting: true,
      body: { parent: expression('eventNamespace'), name: topic },
    }),
    bicepResource({
      symbol: 'received',
      type: `${namespaces}/topics/eventSubscriptions@${namespaceVersion}`,
      body: { parent: expression('namespaceTopic'), name, properties: receivedProperties },
    }),
  ]
}

function queueResources(name: string, storageAccount: string): string[] {
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
      body: { parent: expression('queueService'), name },
    }),
  ]
}

const eachVault = '(name, i) in vaults'

function vaultResources({ name, destination }: SetupPlan, parts: DestinationParts): string[] {
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
      role: roles[destination.kind].sender,
      scope: parts.senderScope,
      seeds: [`${parts.senderScope}.id`, 'name', bicepText('sender')],
      principalId: expression('topic[i].identity.principalId'),
    }),
    bicepResource({
      symbol: 'subscription',
      type: `Microsoft.EventGrid/systemTopics/eventSubscriptions@${parts.apiVersion}`,
      each: eachVault,
      body: {
        parent: expression('topic[i]'),
        name,
        properties: parts.properties,
        dependsOn: [expression('sender[i]')],
      },
    }),
  ]
}

function operatorResources(plan: SetupPlan, { receiverScope, receiverSymbol }: DestinationParts): string[] {
  const { identity, issuer, subject, destination } = plan
  return [
    bicepResource({
      symbol: 'operator',
      type: identityType,
      body: { name: identity, location: expression('location') },
    }),
    bicepFederation({ symbol: 'federation', parent: 'operator', name: 'keymount-operator', issuer, subject }),
    bicepRole({
      symbol: receiverSymbol,
      role: roles[destination.kind].receiver,
      scope: receiverScope,
      seeds: [`${receiverScope}.id`, 'operator.id', bicepText(receiverSymbol)],
      principalId: expression('operator.properties.principalId'),
    }),
  ]
}
