import { eventTypes } from '#product/operator'
import { codeFile, expression } from '../azure-code/code.ts'
import { terraformFederation, terraformRole } from '../azure-code/identity-resources.ts'
import { azurermData, azurermResource, terraformBlock } from '../azure-code/terraform.ts'
import { messageSeconds, processorRole, type SetupPlan, senderRole } from './setup-plan.ts'

const inGroup = {
  resource_group_name: expression('data.azurerm_resource_group.keymount.name'),
  location: expression('data.azurerm_resource_group.keymount.location'),
}
const eachVault = { for_each: expression('local.vaults') }

/** The setup for Terraform's provider azurerm 4. The vaults have to be in the same resource group. */
export function terraformConfig(plan: SetupPlan): string {
  const { vaults, cluster, resourceGroup } = plan
  const names = terraformBlock({
    type: 'locals',
    attributes: { vaults: expression(`toset(${JSON.stringify(vaults)})`) },
  })
  return codeFile(
    `# Events of vaults for the cluster ${cluster}. A vault has at most one system topic: import the topics of vaults that have one, and
# write their user-assigned identities into the block identity, so that they stay.
${names}`,
    azurermData('client_config', 'current', {}),
    azurermData('resource_group', 'keymount', { name: resourceGroup }),
    azurermData('key_vault', 'vault', {
      ...eachVault,
      name: expression('each.key'),
      resource_group_name: inGroup.resource_group_name,
    }),
    ...queueResources(plan),
    ...topicResources(plan),
    ...operatorResources(plan),
    terraformBlock({
      type: 'output',
      labels: ['events'],
      attributes: {
        value: {
          enabled: true,
          queue: expression(
            'format("%s%s", azurerm_storage_account.events.primary_queue_endpoint, azurerm_storage_queue.events.name)',
          ),
          clientID: expression('azurerm_user_assigned_identity.operator.client_id'),
          tenantID: expression('data.azurerm_client_config.current.tenant_id'),
        },
      },
    }),
  )
}

function queueResources({ storageAccount, queue }: SetupPlan): string[] {
  return [
    azurermResource('storage_account', 'events', {
      name: storageAccount,
      ...inGroup,
      account_tier: 'Standard',
      account_replication_type: 'LRS',
      min_tls_version: 'TLS1_2',
    }),
    azurermResource('storage_queue', 'events', {
      name: queue,
      storage_account_id: expression('azurerm_storage_account.events.id'),
    }),
  ]
}

function topicResources({ queue }: SetupPlan): string[] {
  const systemIdentity = { type: 'SystemAssigned' }
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
      scope: expression('azurerm_storage_account.events.id'),
      role: senderRole,
      principalId: expression('azurerm_eventgrid_system_topic.vault[each.key].identity[0].principal_id'),
    }),
    azurermResource(
      'eventgrid_system_topic_event_subscription',
      'queue',
      {
        ...eachVault,
        name: queue,
        system_topic: expression('azurerm_eventgrid_system_topic.vault[each.key].name'),
        resource_group_name: inGroup.resource_group_name,
        included_event_types: eventTypes,
        depends_on: [expression('azurerm_role_assignment.sender')],
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
    ),
  ]
}

function operatorResources({ identity, issuer, subject }: SetupPlan): string[] {
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
      label: 'processor',
      scope: expression(
        'format("%s/queueServices/default/queues/%s", azurerm_storage_account.events.id, azurerm_storage_queue.events.name)',
      ),
      role: processorRole,
      principalId: expression('azurerm_user_assigned_identity.operator.principal_id'),
    }),
  ]
}
