import { eventTypes } from '#product/operator'
import { messageSeconds, processorRole, type SetupPlan, senderRole } from './setup-plan.ts'

/** The setup for Terraform's provider azurerm 4. The vaults have to be in the same resource group. */
export function terraformConfig(plan: SetupPlan): string {
  const { vaults, cluster, resourceGroup, storageAccount, queue, identity, issuer, subject } = plan
  const list = (texts: readonly string[]) => `[${texts.map((text) => JSON.stringify(text)).join(', ')}]`
  return `# Events of vaults for the cluster ${cluster}. A vault has at most one system topic: import the topics of vaults that have one, and
# write their user-assigned identities into the block identity, so that they stay.
locals {
  vaults = toset(${list(vaults)})
}

data "azurerm_client_config" "current" {}

data "azurerm_resource_group" "keymount" {
  name = "${resourceGroup}"
}

data "azurerm_key_vault" "vault" {
  for_each            = local.vaults
  name                = each.key
  resource_group_name = data.azurerm_resource_group.keymount.name
}

resource "azurerm_storage_account" "events" {
  name                     = "${storageAccount}"
  resource_group_name      = data.azurerm_resource_group.keymount.name
  location                 = data.azurerm_resource_group.keymount.location
  account_tier             = "Standard"
  account_replication_type = "LRS"
  min_tls_version          = "TLS1_2"
}

resource "azurerm_storage_queue" "events" {
  name               = "${queue}"
  storage_account_id = azurerm_storage_account.events.id
}

resource "azurerm_eventgrid_system_topic" "vault" {
  for_each            = local.vaults
  name                = "keymount-\${each.key}"
  resource_group_name = data.azurerm_resource_group.keymount.name
  location            = data.azurerm_key_vault.vault[each.key].location
  source_resource_id  = data.azurerm_key_vault.vault[each.key].id
  topic_type          = "Microsoft.KeyVault.vaults"
  identity {
    type = "SystemAssigned"
  }
}

resource "azurerm_role_assignment" "sender" {
  for_each             = local.vaults
  scope                = azurerm_storage_account.events.id
  role_definition_name = "${senderRole}"
  principal_id         = azurerm_eventgrid_system_topic.vault[each.key].identity[0].principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_eventgrid_system_topic_event_subscription" "queue" {
  for_each             = local.vaults
  name                 = "${queue}"
  system_topic         = azurerm_eventgrid_system_topic.vault[each.key].name
  resource_group_name  = data.azurerm_resource_group.keymount.name
  included_event_types = ${list(eventTypes)}
  delivery_identity {
    type = "SystemAssigned"
  }
  storage_queue_endpoint {
    storage_account_id                    = azurerm_storage_account.events.id
    queue_name                            = azurerm_storage_queue.events.name
    queue_message_time_to_live_in_seconds = ${messageSeconds}
  }
  depends_on = [azurerm_role_assignment.sender]
}

resource "azurerm_user_assigned_identity" "operator" {
  name                = "${identity}"
  resource_group_name = data.azurerm_resource_group.keymount.name
  location            = data.azurerm_resource_group.keymount.location
}

resource "azurerm_federated_identity_credential" "operator" {
  name                = "keymount-operator"
  resource_group_name = data.azurerm_resource_group.keymount.name
  parent_id           = azurerm_user_assigned_identity.operator.id
  issuer              = "${issuer}"
  subject             = "${subject}"
  audience            = ["api://AzureADTokenExchange"]
}

resource "azurerm_role_assignment" "processor" {
  scope                = "\${azurerm_storage_account.events.id}/queueServices/default/queues/\${azurerm_storage_queue.events.name}"
  role_definition_name = "${processorRole}"
  principal_id         = azurerm_user_assigned_identity.operator.principal_id
  principal_type       = "ServicePrincipal"
}

output "events" {
  value = {
    enabled  = true
    queue    = "\${azurerm_storage_account.events.primary_queue_endpoint}\${azurerm_storage_queue.events.name}"
    clientID = azurerm_user_assigned_identity.operator.client_id
    tenantID = data.azurerm_client_config.current.tenant_id
  }
}
`
}
