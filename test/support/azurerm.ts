import assert from 'node:assert/strict'
import { recordOf } from '#lib/formats'

/**
 * Arguments of the resources and data sources of azurerm 4.55 and azapi 2 that the commands print; the required ones have a `!`.
 * https://registry.terraform.io/providers/hashicorp/azurerm/4.55.0/docs
 * https://registry.terraform.io/providers/Azure/azapi/latest/docs
 */
const knownArguments: Readonly<Record<string, string>> = {
  'data azapi_resource': 'type! resource_id name parent_id response_export_values',
  'data azurerm_client_config': '',
  'data azurerm_resource_group': 'name!',
  'data azurerm_key_vault': 'name! resource_group_name!',
  'data azurerm_user_assigned_identity': 'name! resource_group_name!',
  'resource azapi_resource': 'type! name parent_id body response_export_values',
  'resource azurerm_eventgrid_system_topic':
    'name! resource_group_name! location! topic_type! source_resource_id identity tags',
  'resource azurerm_eventgrid_system_topic_event_subscription':
    'name! system_topic! resource_group_name! included_event_types delivery_identity storage_queue_endpoint event_delivery_schema',
  'resource azurerm_federated_identity_credential': 'name! resource_group_name! parent_id! issuer! subject! audience!',
  'resource azurerm_resource_group_template_deployment':
    'name! resource_group_name! deployment_mode! template_content parameters_content tags',
  'resource azurerm_role_assignment':
    'scope! principal_id! role_definition_name role_definition_id principal_type name description',
  'resource azurerm_storage_account':
    'name! resource_group_name! location! account_tier! account_replication_type! min_tls_version tags',
  'resource azurerm_storage_queue': 'name! storage_account_id metadata',
  'resource azurerm_user_assigned_identity': 'name! resource_group_name! location! tags',
}

/** Of every resource. */
const metaArguments = ['for_each', 'depends_on']

/** Fails where a configuration, as `parseTerraform` gives it, has an argument that its provider does not know, or lacks a required one. */
export function checkAzurerm(configuration: Record<string, unknown>): void {
  for (const kind of ['data', 'resource'])
    for (const [type, labels] of Object.entries(recordOf(configuration[kind]) ?? {})) {
      const known = knownArguments[`${kind} ${type}`]
      assert.ok(known !== undefined, `${kind} ${type} is not in the table of arguments`)
      const names = known.split(' ').filter((name) => name !== '')
      const allowed = new Set([...metaArguments, ...names.map((name) => name.replace('!', ''))])
      for (const [label, bodies] of Object.entries(recordOf(labels) ?? {}))
        for (const body of bodies as Record<string, unknown>[]) {
          const given = Object.keys(body)
          const unknown = given.filter((name) => !allowed.has(name))
          const missing = names.filter((name) => name.endsWith('!') && !given.includes(name.slice(0, -1)))
          assert.deepEqual({ unknown, missing }, { unknown: [], missing: [] }, `${kind} ${type} ${label}`)
        }
    }
}
