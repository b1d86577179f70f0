import { terraformFederation, terraformRole } from '../../azure-code/identity-resources.ts'
import {
  type TerraformValue,
  terraformBlock,
  terraformCode,
  terraformFile,
  terraformValue,
} from '../../azure-code/terraform.ts'
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

type Members = Record<string, TerraformValue>

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
  return terraformFile(
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
        identities: terraformCode(
          hasNew
            ? 'merge(data.azurerm_user_assigned_identity.known, azurerm_user_assigned_identity.added)'
            : 'data.azurerm_user_assigned_identity.known',
        ),
      },
    }),
    terraformBlock({
      type: 'data',
      labels: ['azurerm_user_assigned_identity', 'known'],
      attributes: {
        for_each: terraformCode('var.identities'),
        name: terraformCode('each.value.name'),
        resource_group_name: terraformCode('each.value.group'),
      },
    }),
    terraformBlock({
      type: 'data',
      labels: ['azurerm_key_vault', 'vault'],
      attributes: {
        for_each: terraformCode('var.vaults'),
        name: terraformCode('each.key'),
        resource_group_name: terraformCode('each.value'),
      },
    }),
    ...(hasNew ? [addedIdentities()] : []),
    terraformFederation({
      label: 'subject',
      forEach: terraformCode('local.credentials'),
      name: terraformCode('each.value.name'),
      resourceGroup: terraformCode('local.identities[each.value.identity].resource_group_name'),
      identityId: terraformCode('local.identities[each.value.identity].id'),
      issuer: terraformCode('each.value.issuer'),
      subject: terraformCode('each.value.subject'),
    }),
    terraformRole({
      label: 'vault',
      forEach: terraformCode('local.roles'),
      scope: terraformCode('format("%s%s", data.azurerm_key_vault.vault[each.value.vault].id, each.value.object)'),
      role: terraformCode('each.value.role'),
      principalId: terraformCode('local.identities[each.value.identity].principal_id'),
    }),
    ...(Object.keys(bindings).length > 0 ? [bindingDeployments()] : []),
    ...(hasNew ? [addedClients()] : []),
  )
}

function variable(name: string, type: string, description: string): string {
  return terraformBlock({ type: 'variable', labels: [name], attributes: { type: terraformCode(type), description } })
}

function addedIdentities(): string {
  return terraformBlock({
    type: 'resource',
    labels: ['azurerm_user_assigned_identity', 'added'],
    attributes: {
      for_each: terraformCode('local.added'),
      name: terraformCode('each.key'),
      resource_group_name: terraformCode('var.identities[each.value].group'),
      location: terraformCode('data.azurerm_user_assigned_identity.known[each.value].location'),
    },
  })
}

function addedClients(): string {
  const value = terraformCode(
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
          name: terraformCode('format("%s/%s", each.value.cluster, each.value.name)'),
          properties: {
            managedIdentity: { resourceId: terraformCode('local.identities[each.value.identity].id') },
          },
        },
      ],
    },
    '  ',
  )
  return terraformBlock({
    type: 'resource',
    labels: ['azurerm_resource_group_template_deployment', 'binding'],
    attributes: {
      for_each: terraformCode('local.bindings'),
      name: terraformCode('format("keymount-%s-%s", each.value.cluster, each.value.name)'),
      resource_group_name: terraformCode('each.value.group'),
      deployment_mode: 'Incremental',
      template_content: terraformCode(`jsonencode(${template})`),
    },
  })
}

function providerFile(): string {
  return terraformFile(
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
