import { type CodeValue, codeFile, expression } from '../../azure-code/code.ts'
import { terraformFederation, terraformRole } from '../../azure-code/identity-resources.ts'
import { azurermData, azurermResource, terraformBlock, terraformValue } from '../../azure-code/terraform.ts'
import { needs } from '../doctor/check-vault.ts'
import { aksWords } from './az-script.ts'
import type { AzureNames } from './azure-names.ts'
import { bindingVersion } from './azure-there.ts'
import type { IdentityPlan } from './identity-plan.ts'

/** The plan for Terraform's provider azurerm 4, with one variable file. Managed identities only. */
export function terraformFiles(plans: readonly IdentityPlan[], names: AzureNames): Map<string, string> {
  return new Map([
    ['main.tf', mainFile(plans)],
    ['provider.tf', providerFile()],
    ['terraform.tfvars', variableFile(names)],
  ])
}

type Members = Record<string, CodeValue>

/** What the resources are made of: identities have their client id as key, new ones their name. */
function locals(plans: readonly IdentityPlan[]) {
  const [added, credentials, roles, bindings]: [Members, Members, Members, Members] = [{}, {}, {}, {}]
  for (const { clientId, parts, bindings: needed } of plans) {
    for (const { newName, credentials: ofPart, grants } of parts) {
      const identity = newName ?? clientId
      if (newName !== undefined) added[newName] = clientId
      for (const { name, issuer, subject, there } of ofPart)
        if (there !== true) credentials[`${identity}/${name}`] = { identity, name, issuer, subject }
      for (const { vault, type, object, there } of grants)
        if (there !== true)
          roles[`${identity}/${vault}/${needs[type].policy}/${object || '*'}`] = {
            identity,
            vault,
            role: needs[type].role,
            object: object === '' ? '' : `/${needs[type].policy}/${object}`,
          }
    }
    for (const { cluster: label, aks, name, there } of needed) {
      if (there === true) continue
      const [, group, cluster] = aksWords(aks)
      bindings[`${clientId}/${label}`] = { identity: clientId, group, cluster, name }
    }
  }
  return { added, credentials, roles, bindings }
}

function mainFile(plans: readonly IdentityPlan[]): string {
  const { added, credentials, roles, bindings } = locals(plans)
  const hasNew = Object.keys(added).length > 0
  return codeFile(
    '# Made by keymount identity plan, for the provider azurerm.',
    variable(
      'identities',
      'map(object({ name = string, group = string }))',
      'Name and resource group of each identity, by its client id.',
    ),
    variable('vaults', 'map(string)', 'Resource group of each vault, by its name.'),
    terraformBlock({
      type: 'locals',
      attributes: {
        added,
        credentials,
        roles,
        bindings,
        identities: expression(
          hasNew
            ? 'merge(data.azurerm_user_assigned_identity.known, azurerm_user_assigned_identity.added)'
            : 'data.azurerm_user_assigned_identity.known',
        ),
      },
    }),
    azurermData('user_assigned_identity', 'known', {
      for_each: expression('var.identities'),
      name: expression('each.value.name'),
      resource_group_name: expression('each.value.group'),
    }),
    azurermData('key_vault', 'vault', {
      for_each: expression('var.vaults'),
      name: expression('each.key'),
      resource_group_name: expression('each.value'),
    }),
    ...(hasNew ? [addedIdentities()] : []),
    terraformFederation({
      label: 'subject',
      forEach: expression('local.credentials'),
      name: expression('each.value.name'),
      resourceGroup: expression('local.identities[each.value.identity].resource_group_name'),
      identityId: expression('local.identities[each.value.identity].id'),
      issuer: expression('each.value.issuer'),
      subject: expression('each.value.subject'),
    }),
    terraformRole({
      label: 'vault',
      forEach: expression('local.roles'),
      scope: expression('format("%s%s", data.azurerm_key_vault.vault[each.value.vault].id, each.value.object)'),
      role: expression('each.value.role'),
      principalId: expression('local.identities[each.value.identity].principal_id'),
    }),
    ...(Object.keys(bindings).length > 0 ? [bindingDeployments()] : []),
    ...(hasNew ? [addedClients()] : []),
  )
}

function variable(name: string, type: string, description: string): string {
  return terraformBlock({ type: 'variable', labels: [name], attributes: { type: expression(type), description } })
}

function addedIdentities(): string {
  return azurermResource('user_assigned_identity', 'added', {
    for_each: expression('local.added'),
    name: expression('each.key'),
    resource_group_name: expression('var.identities[each.value].group'),
    location: expression('data.azurerm_user_assigned_identity.known[each.value].location'),
  })
}

function addedClients(): string {
  const value = expression(
    '{ for name, identity in azurerm_user_assigned_identity.added : name => identity.client_id }',
  )
  return terraformBlock({ type: 'output', labels: ['clients'], attributes: { value } })
}

/** azurerm has no resource for identity bindings. */
function bindingDeployments(): string {
  const template = terraformValue(
    {
      $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
      contentVersion: '1.0.0.0',
      resources: [
        {
          type: 'Microsoft.ContainerService/managedClusters/identityBindings',
          apiVersion: bindingVersion,
          name: expression('format("%s/%s", each.value.cluster, each.value.name)'),
          properties: {
            managedIdentity: { resourceId: expression('local.identities[each.value.identity].id') },
          },
        },
      ],
    },
    '  ',
  )
  return azurermResource('resource_group_template_deployment', 'binding', {
    for_each: expression('local.bindings'),
    name: expression('format("keymount-%s-%s", each.value.cluster, each.value.name)'),
    resource_group_name: expression('each.value.group'),
    deployment_mode: 'Incremental',
    template_content: expression(`jsonencode(${template})`),
  })
}

function providerFile(): string {
  return codeFile(
    '# For use as it is; a configuration with its own provider leaves this file out.',
    terraformBlock({
      type: 'terraform',
      blocks: [
        { type: 'required_providers', attributes: { azurerm: { source: 'hashicorp/azurerm', version: '~> 4.0' } } },
      ],
    }),
    terraformBlock({ type: 'provider', labels: ['azurerm'], blocks: [{ type: 'features' }] }),
  )
}

function variableFile({ identities, vaults }: AzureNames): string {
  return `identities = ${terraformValue(identities)}\nvaults = ${terraformValue(vaults)}\n`
}
