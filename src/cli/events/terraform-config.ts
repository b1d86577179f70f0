import { eventTypes } from '#product/operator'
import { type CodeValue, codeFile, expression } from '../azure-code/code.ts'
import { terraformFederation, terraformRole } from '../azure-code/identity-resources.ts'
import { azurermData, azurermResource, type TerraformBlock, terraformBlock } from '../azure-code/terraform.ts'
import { namespaceId, namespaceVersion, roles, type SetupPlan, type TopicDestination } from './setup-plan.ts'
import { messageSeconds, receivedProperties, toNamespaceTopic } from './subscription-properties.ts'

const inGroup = {
  resource_group_name: expression('data.azurerm_resource_group.keymount.name'),
  location: expression('data.azurerm_resource_group.keymount.location'),
}
const eachVault = { for_each: expression('local.vaults') }

/**
 * The setup for Terraform's provider azurerm 4, with azapi 2 for what azurerm has no resources for: event subscriptions of namespaces, and
 * delivery to them. The vaults have to be in the same resource group.
 */
export function terraformConfig(plan: SetupPlan): string {
  const { vaults, cluster, resourceGroup, destination } = plan
  const parts =
    destination.kind === 'queue' ? queueParts(plan, destination.storageAccount) : topicParts(plan, destination)
  const names = terraformBlock({
    type: 'locals',
    attributes: { vaults: expression(`toset(${JSON.stringify(vaults)})`) },
  })
  return codeFile(
    `# Events of vaults for the cluster ${cluster}. A vault has at most one system topic: import the topics of vaults that have one, and
# write their user-assigned identities into the block identity, so that they stay.
${names}`,
    ...parts.providers,
    azurermData('client_config', 'current', {}),
    azurermData('resource_group', 'keymount', { name: resourceGroup }),
    azurermData('key_vault', 'vault', {
      ...eachVault,
      name: expression('each.key'),
      resource_group_name: inGroup.resource_group_name,
    }),
    ...parts.create,
    ...vaultResources(plan, parts),
    ...operatorResources(plan, parts),
    terraformBlock({
      type: 'output',
      labels: ['events'],
      attributes: {
        value: {
          enabled: true,
          ...parts.value,
          clientID: expression('azurerm_user_assigned_identity.operator.client_id'),
          tenantID: expression('data.azurerm_client_config.current.tenant_id'),
        },
      },
    }),
  )
}

/** What differs between a queue and the topic of a namespace. */
interface DestinationParts {
  /** Blocks for providers beside azurerm. */
  providers: readonly string[]
  /** The resources that the vaults deliver to. */
  create: readonly string[]
  senderScope: CodeValue
  /** The event subscription of each vault. */
  subscription: string
  receiverLabel: string
  receiverScope: CodeValue
  /** Of the chart. */
  value: Readonly<Record<string, CodeValue>>
}

function queueParts({ name }: SetupPlan, storageAccount: string): DestinationParts {
  return {
    providers: [],
    create: queueResources(name, storageAccount),
    senderScope: expression('azurerm_storage_account.events.id'),
    subscription: queueSubscription(name),
    receiverLabel: 'processor',
    receiverScope: expression(
      'format("%s/queueServices/default/queues/%s", azurerm_storage_account.events.id, azurerm_storage_queue.events.name)',
    ),
    value: {
      queue: expression(
        'format("%s%s", azurerm_storage_account.events.primary_queue_endpoint, azurerm_storage_queue.events.name)',
      ),
    },
  }
}

function topicParts({ name }: SetupPlan, destination: TopicDestination): DestinationParts {
  const { topic } = destination
  const namespace = namespaceId(destination)
  const topicId = `${namespace}/topics/${topic}`
  return {
    providers: [azapiProvider],
    create: [
      azapi('data', 'namespace', {
        type: `Microsoft.EventGrid/namespaces@${namespaceVersion}`,
        resource_id: namespace,
        response_export_values: ['properties.topicsConfiguration.hostname'],
      }),
      azapi('resource', 'received', {
        type: `Microsoft.EventGrid/namespaces/topics/eventSubscriptions@${namespaceVersion}`,
        name,
        parent_id: topicId,
        body: { properties: receivedProperties },
      }),
    ],
    senderScope: topicId,
    subscription: azapi('resource', 'vault', {
      ...eachVault,
      type: `Microsoft.EventGrid/systemTopics/eventSubscriptions@${namespaceVersion}`,
      name,
      parent_id: expression('azurerm_eventgrid_system_topic.vault[each.key].id'),
      body: { properties: toNamespaceTopic(topicId) },
      ...afterSender,
    }),
    receiverLabel: 'receiver',
    receiverScope: expression('azapi_resource.received.id'),
    value: {
      namespaceTopic: expression(
        `format("https://%s/topics/${topic}/eventsubscriptions/${name}", data.azapi_resource.namespace.output.properties.topicsConfiguration.hostname)`,
      ),
    },
  }
}

const afterSender = { depends_on: [expression('azurerm_role_assignment.sender')] }

const azapiProvider = `# A module has one block of required providers: where it has one already, write azapi into that.
${terraformBlock({
  type: 'terraform',
  blocks: [{ type: 'required_providers', attributes: { azapi: { source: 'Azure/azapi', version: '~> 2.0' } } }],
})}`

function azapi(kind: 'data' | 'resource', label: string, attributes: TerraformBlock['attributes']): string {
  return terraformBlock({ type: kind, labels: ['azapi_resource', label], attributes })
}

function queueResources(name: string, storageAccount: string): string[] {
  return [
    azurermResource('storage_account', 'events', {
      name: storageAccount,
      ...inGroup,
      account_tier: 'Standard',
      account_replication_type: 'LRS',
      min_tls_version: 'TLS1_2',
    }),
    azurermResource('storage_queue', 'events', {
      name,
      storage_account_id: expression('azurerm_storage_account.events.id'),
    }),
  ]
}

const systemIdentity = { type: 'SystemAssigned' }

function vaultResources({ destination }: SetupPlan, { senderScope, subscription }: DestinationParts): string[] {
  return [
    azurermResource(
      'eventgrid_system_topic',
      'vault',
      {
        ...eachVault,
        name: expression('format("keymount-%s", each.key)'),
        resource_group_name: inGroup.resource_group_name,
        location: expression('data.azurerm_key_vault.vault[each.key].location'),
        source_resource_id: expression('data.azurerm_key_vault.vault[each.key].id'),
        topic_type: 'Microsoft.KeyVault.vaults',
      },
      [{ type: 'identity', attributes: systemIdentity }],
    ),
    terraformRole({
      label: 'sender',
      forEach: eachVault.for_each,
      scope: senderScope,
      role: roles[destination.kind].sender,
      principalId: expression('azurerm_eventgrid_system_topic.vault[each.key].identity[0].principal_id'),
    }),
    subscription,
  ]
}

function queueSubscription(name: string): string {
  return azurermResource(
    'eventgrid_system_topic_event_subscription',
    'queue',
    {
      ...eachVault,
      name,
      system_topic: expression('azurerm_eventgrid_system_topic.vault[each.key].name'),
      resource_group_name: inGroup.resource_group_name,
      included_event_types: eventTypes,
      ...afterSender,
    },
    [
      { type: 'delivery_identity', attributes: systemIdentity },
      {
        type: 'storage_queue_endpoint',
        attributes: {
          storage_account_id: expression('azurerm_storage_account.events.id'),
          queue_name: expression('azurerm_storage_queue.events.name'),
          queue_message_time_to_live_in_seconds: messageSeconds,
        },
      },
    ],
  )
}

function operatorResources(plan: SetupPlan, { receiverLabel, receiverScope }: DestinationParts): string[] {
  const { identity, issuer, subject, destination } = plan
  return [
    azurermResource('user_assigned_identity', 'operator', { name: identity, ...inGroup }),
    terraformFederation({
      label: 'operator',
      name: 'keymount-operator',
      resourceGroup: inGroup.resource_group_name,
      identityId: expression('azurerm_user_assigned_identity.operator.id'),
      issuer,
      subject,
    }),
    terraformRole({
      label: receiverLabel,
      scope: receiverScope,
      role: roles[destination.kind].receiver,
      principalId: expression('azurerm_user_assigned_identity.operator.principal_id'),
    }),
  ]
}
