import { type AzStep, azTest, group } from '../../support/az.ts'

/** `az eventgrid` on the local Azure: what brings the events of a vault to a queue. */
const scope = '/subscriptions/{subscriptionId}/resourceGroups/shop'
const vault = `${scope}/providers/Microsoft.KeyVault/vaults/shop-events`
const account = `${scope}/providers/Microsoft.Storage/storageAccounts/shopqueues`
const queue = `${account}/queueServices/default/queues/changes`
const topic = `${scope}/providers/Microsoft.EventGrid/systemTopics/shop-topic`
const onQueues = '--account-name shopqueues'

const resources: readonly AzStep[] = [
  group,
  { az: 'keyvault create -n shop-events -g shop -l westeurope' },
  { az: `role assignment create --role Key\\ Vault\\ Administrator --assignee {clientId} --scope ${scope}` },
  { az: 'storage account create -n shopqueues -g shop -l westeurope --sku Standard_LRS' },
  { az: `storage queue create -n changes ${onQueues} --auth-mode login`, query: 'created', prints: true },
]
const createTopic: AzStep = {
  az: `eventgrid system-topic create -n shop-topic -g shop -l westeurope --topic-type microsoft.keyvault.vaults --source ${vault} --identity systemassigned`,
  query: 'identity.principalId',
  keep: 'principal',
}
const withIdentity = JSON.stringify({
  properties: {
    deliveryWithResourceIdentity: {
      identity: { type: 'SystemAssigned' },
      destination: { endpointType: 'StorageQueue', properties: { resourceId: account, queueName: 'changes' } },
    },
  },
})
const types =
  '--included-event-types Microsoft.KeyVault.SecretNewVersionCreated Microsoft.KeyVault.CertificateNewVersionCreated'

azTest('az eventgrid system-topic, and az eventgrid system-topic event-subscription', [
  ...resources,
  { az: 'provider show -n Microsoft.EventGrid', query: 'registrationState', prints: 'NotRegistered' },
  // The refusal of a provider that is not registered makes az register it.
  createTopic,
  { az: 'provider show -n Microsoft.EventGrid', query: 'registrationState', prints: 'Registered' },
  {
    az: 'eventgrid system-topic show -n shop-topic -g shop',
    query: '[topicType,identity.type,provisioningState]',
    prints: ['Microsoft.KeyVault.vaults', 'SystemAssigned', 'Succeeded'],
  },
  { az: 'eventgrid system-topic list', query: '[].name', prints: ['shop-topic'] },
  {
    az: 'eventgrid system-topic list -g shop',
    query: "[?ends_with(source, '/vaults/shop-events')].name",
    prints: ['shop-topic'],
  },
  { az: 'eventgrid system-topic update -n shop-topic -g shop --tags team=shop', query: 'tags.team', prints: 'shop' },
  {
    az: `eventgrid system-topic event-subscription create -n changes -g shop --system-topic-name shop-topic --endpoint-type storagequeue --endpoint ${queue} --storage-queue-msg-ttl 86400 ${types}`,
    query:
      '[destination.properties.queueName,destination.properties.queueMessageTimeToLiveInSeconds,filter.includedEventTypes | length(@)]',
    prints: ['changes', 86400, 2],
  },
  {
    az: 'eventgrid system-topic event-subscription show -n changes -g shop --system-topic-name shop-topic --include-full-endpoint-url',
    query: 'destination.queueName',
    prints: 'changes',
  },
  {
    az: 'eventgrid system-topic event-subscription update -n changes -g shop --system-topic-name shop-topic --subject-begins-with db',
    query: 'filter.subjectBeginsWith',
    prints: 'db',
  },
  {
    az: 'eventgrid system-topic event-subscription list -g shop --system-topic-name shop-topic',
    query: '[].name',
    prints: ['changes'],
  },
  { az: 'keyvault secret set --vault-name shop-events -n web --value x' },
  { az: 'keyvault secret set --vault-name shop-events -n db --value x' },
  { az: `storage message peek -q changes --num-messages 32 ${onQueues}`, query: 'length(@)', prints: 1 },
  // Core az has no option for the identity of a delivery from a system topic; `az rest` sends it.
  {
    az: `rest --method put --url https://management.azure.com${topic}/eventSubscriptions/changes?api-version=2022-06-15 --body ${withIdentity}`,
    query: 'properties.deliveryWithResourceIdentity.identity.type',
    prints: 'SystemAssigned',
  },
  {
    az: `role assignment create --role Storage\\ Queue\\ Data\\ Message\\ Sender --assignee-object-id {principal} --assignee-principal-type ServicePrincipal --scope ${account}`,
  },
  { az: 'keyvault secret set --vault-name shop-events -n db --value y' },
  { az: `storage message peek -q changes --num-messages 32 ${onQueues}`, query: 'length(@)', prints: 2 },
  {
    az: 'eventgrid system-topic event-subscription delete -n changes -g shop --system-topic-name shop-topic --yes',
  },
  { az: 'eventgrid system-topic delete -n shop-topic -g shop --yes' },
  { az: 'eventgrid system-topic show -n shop-topic -g shop', fails: { status: 3, saying: /ResourceNotFound/ } },
])

const namespace = `${scope}/providers/Microsoft.EventGrid/namespaces/shop-ns`
const changes = `${namespace}/topics/changes`
const queueMode = JSON.stringify({
  deliveryConfiguration: { deliveryMode: 'Queue', queue: { maxDeliveryCount: 5, eventTimeToLive: 'P1D' } },
})
const toTopic = JSON.stringify({
  properties: {
    deliveryWithResourceIdentity: {
      identity: { type: 'SystemAssigned' },
      destination: { endpointType: 'NamespaceTopic', properties: { resourceId: changes } },
    },
    eventDeliverySchema: 'CloudEventSchemaV1_0',
  },
})
const eventGrid = 'https://eventgrid.azure.net'
const onCluster = 'https://shop-ns.westeurope-1.eventgrid.azure.net/topics/changes/eventsubscriptions/cluster'

// Core az has no commands for namespaces: `az resource` and `az rest` send what the extension and Bicep do.
azTest('az resource and az rest make the events of a vault come to the topic of a namespace', [
  ...resources.slice(0, 3),
  createTopic,
  {
    az: 'resource create --resource-type Microsoft.EventGrid/namespaces -n shop-ns -g shop -l westeurope --properties {}',
    query: 'properties.topicsConfiguration.hostname',
    prints: 'shop-ns.westeurope-1.eventgrid.azure.net',
  },
  { az: `resource create --id ${changes} --api-version 2025-02-15 --properties {"eventRetentionInDays":1}` },
  {
    az: `resource create --id ${changes}/eventSubscriptions/cluster --api-version 2025-02-15 --properties ${queueMode}`,
    query: 'properties.deliveryConfiguration.queue.maxDeliveryCount',
    prints: 5,
  },
  { az: 'resource list -g shop --resource-type Microsoft.EventGrid/namespaces', query: '[].name', prints: ['shop-ns'] },
  {
    az: `role assignment create --role EventGrid\\ Data\\ Sender --assignee-object-id {principal} --assignee-principal-type ServicePrincipal --scope ${changes}`,
  },
  { az: `role assignment create --role EventGrid\\ Data\\ Receiver --assignee {clientId} --scope ${namespace}` },
  {
    az: `rest --method put --url https://management.azure.com${topic}/eventSubscriptions/to-topic?api-version=2025-02-15 --body ${toTopic}`,
    query: 'properties.deliveryWithResourceIdentity.destination.endpointType',
    prints: 'NamespaceTopic',
  },
  { az: 'keyvault secret set --vault-name shop-events -n db --value x' },
  {
    az: `rest --method post --resource ${eventGrid} --url ${onCluster}:receive?api-version=2024-06-01&maxWaitTime=10`,
    query: 'value[0].[event.subject,event.specversion,brokerProperties.deliveryCount]',
    prints: ['db', '1.0', 1],
  },
  { az: `resource delete --ids ${namespace} --api-version 2025-02-15` },
])

azTest('az eventgrid event-subscription, of the vault itself', [
  ...resources,
  { az: 'provider register -n Microsoft.EventGrid --wait' },
  {
    az: `eventgrid event-subscription create -n direct --source-resource-id ${vault} --endpoint-type storagequeue --endpoint ${queue} --storage-queue-msg-ttl -1 --advanced-filter data.ObjectName StringIn db web`,
    query: '[provisioningState,filter.advancedFilters[0].values]',
    prints: ['Succeeded', ['db', 'web']],
  },
  {
    az: `eventgrid event-subscription show -n direct --source-resource-id ${vault}`,
    query: "ends_with(topic, '/vaults/shop-events')",
    prints: true,
  },
  { az: `eventgrid event-subscription list --source-resource-id ${vault}`, query: '[].name', prints: ['direct'] },
  { az: 'eventgrid event-subscription list --location westeurope', query: '[].name', prints: ['direct'] },
  {
    az: 'eventgrid event-subscription list --location westeurope -g shop --topic-type-name Microsoft.KeyVault.Vaults',
    query: '[].name',
    prints: ['direct'],
  },
  { az: 'eventgrid event-subscription list --location eastus', prints: [] },
  {
    az: `eventgrid event-subscription update -n direct --source-resource-id ${vault} --labels one two`,
    query: 'labels',
    prints: ['one', 'two'],
  },
  { az: 'keyvault secret set --vault-name shop-events -n db --value x' },
  { az: `storage message get -q changes ${onQueues}`, query: '[0].dequeueCount', prints: 1 },
  { az: `eventgrid event-subscription delete -n direct --source-resource-id ${vault}` },
  { az: `eventgrid event-subscription list --source-resource-id ${vault}`, prints: [] },
])
