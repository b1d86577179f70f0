import { builtInRoles } from '#azure/rest'
import { bicepModule, bicepResource, bicepText } from '../../azure-code/bicep.ts'
import { type CodeValue, codeFile, expression } from '../../azure-code/code.ts'
import { bicepFederation, bicepRole, identityType } from '../../azure-code/identity-resources.ts'
import { needs } from '../doctor/check-vault.ts'
import { aksWords } from './az-script.ts'
import type { AzureNames } from './azure-names.ts'
import { bindingVersion } from './azure-there.ts'
import type { Grant, IdentityPlan, Part } from './identity-plan.ts'

const bicepVariables = 'main.parameters.json'

/** The plan as templates of Bicep for a subscription, with one variable file. Managed identities only. */
export function bicepFiles(plans: readonly IdentityPlan[], names: AzureNames): Map<string, string> {
  const uses = (wanted: (plan: IdentityPlan) => boolean) => plans.some(wanted)
  const files = new Map([
    ['main.bicep', mainFile(plans)],
    [bicepVariables, variableFile(names)],
    ['identity.bicep', identityFile(false)],
  ])
  if (uses(({ parts }) => parts.length > 1)) files.set('new-identity.bicep', identityFile(true))
  if (uses(({ parts }) => parts.some(({ grants }) => grants.length > 0))) files.set('vault-role.bicep', roleFile())
  if (uses(({ bindings }) => bindings.length > 0)) files.set('binding.bicep', bindingFile())
  return files
}

function mainFile(plans: readonly IdentityPlan[]): string {
  return codeFile(
    `// Made by keymount identity plan. az deployment sub create --location LOCATION --template-file main.bicep --parameters ${bicepVariables}
targetScope = 'subscription'`,
    `@description('Name and resource group of each identity, by its client id.')
param identities object`,
    `@description('Resource group of each vault, by its name.')
param vaults object`,
    ...plans.flatMap(identityModules),
  )
}

function identityModules(plan: IdentityPlan, index: number): string[] {
  const { clientId, parts, bindings } = plan
  const known = `identities[${bicepText(clientId)}]`
  const missing = bindings.filter(({ there }) => there !== true)
  return [
    ...parts.flatMap((part, number) => partModules({ clientId, known, index, number, part })),
    ...missing.map(({ name, aks }, number) => {
      const [subscription, group, cluster] = aksWords(aks)
      return bicepModule({
        symbol: `binding_${index}_${number}`,
        file: 'binding.bicep',
        body: {
          name: `keymount-binding-${index}-${number}`,
          scope: expression(`resourceGroup(${bicepText(subscription)}, ${bicepText(group)})`),
          params: { cluster, name, identityId: expression(`identity_${index}_0.outputs.id`) },
        },
      })
    }),
  ]
}

interface PartPlace {
  clientId: string
  /** Expression for the identity in the variable file. */
  known: string
  index: number
  number: number
  part: Part
}

function partModules({ clientId, known, index, number, part }: PartPlace): string[] {
  const symbol = `identity_${index}_${number}`
  const { newName, credentials, grants } = part
  const missing = grants.filter(({ there }) => there !== true)
  const byVault = Map.groupBy(missing, ({ vault }) => vault)
  const identity = bicepModule({
    symbol,
    file: newName === undefined ? 'identity.bicep' : 'new-identity.bicep',
    body: {
      name: `keymount-${clientId}-${number}`,
      scope: expression(`resourceGroup(${known}.group)`),
      params: {
        name: newName ?? expression(`${known}.name`),
        credentials: credentials
          .filter(({ there }) => there !== true)
          .map(({ name, issuer, subject }) => ({ name, issuer, subject })),
      },
    },
  })
  const roles = [...byVault].map(([vault, ofVault], place) =>
    bicepModule({
      symbol: `roles_${index}_${number}_${place}`,
      file: 'vault-role.bicep',
      body: {
        name: `keymount-roles-${index}-${number}-${place}`,
        scope: expression(`resourceGroup(vaults[${bicepText(vault)}])`),
        params: { vaultName: vault, principalId: expression(`${symbol}.outputs.principalId`), ...roleLists(ofVault) },
      },
    }),
  )
  const output = newName === undefined ? [] : [`output client_${index}_${number} string = ${symbol}.outputs.clientId`]
  return [identity, ...roles, ...output]
}

function roleLists(grants: readonly Grant[]): Record<string, CodeValue> {
  const objects = (type: Grant['type']) =>
    grants.filter((one) => one.type === type && one.object !== '').map((one) => one.object)
  return {
    roles: grants.filter(({ object }) => object === '').map(({ type }) => builtInRoles[needs[type].role]),
    secrets: objects('secret'),
    keys: objects('key'),
    certificates: objects('cert'),
  }
}

/** JSON: every tool that deploys Bicep reads it. */
function variableFile({ identities, vaults }: AzureNames): string {
  const file = {
    $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#',
    contentVersion: '1.0.0.0',
    parameters: { identities: { value: identities }, vaults: { value: vaults } },
  }
  return `${JSON.stringify(file, undefined, 2)}\n`
}

function identityFile(isNew: boolean): string {
  const parameters = [
    'param name string',
    'param credentials array',
    ...(isNew ? ['param location string = resourceGroup().location'] : []),
  ]
  return codeFile(
    parameters.join('\n'),
    bicepResource({
      symbol: 'identity',
      type: identityType,
      isExisting: !isNew,
      body: { name: expression('name'), location: isNew ? expression('location') : undefined },
    }),
    bicepFederation({
      symbol: 'credential',
      parent: 'identity',
      each: 'one in credentials',
      name: expression('one.name'),
      issuer: expression('one.issuer'),
      subject: expression('one.subject'),
    }),
    `output id string = identity.id
output principalId string = identity.properties.principalId
output clientId string = identity.properties.clientId`,
  )
}

const vaultVersion = '2023-07-01'

function roleFile(): string {
  const kinds = [
    { type: 'secret', list: 'secrets' },
    { type: 'key', list: 'keys' },
    { type: 'cert', list: 'certificates' },
  ] as const
  return codeFile(
    [
      'param vaultName string',
      'param principalId string',
      'param roles array',
      ...kinds.map(({ list }) => `param ${list} array`),
    ].join('\n'),
    bicepResource({
      symbol: 'vault',
      type: `Microsoft.KeyVault/vaults@${vaultVersion}`,
      isExisting: true,
      body: { name: expression('vaultName') },
    }),
    bicepRole({
      symbol: 'vaultRole',
      each: 'role in roles',
      role: expression('role'),
      scope: 'vault',
      seeds: ['vault.id', 'principalId', 'role'],
      principalId: expression('principalId'),
    }),
    ...kinds.flatMap(({ type, list }) => [
      bicepResource({
        symbol: type,
        type: `Microsoft.KeyVault/vaults/${list}@${vaultVersion}`,
        isExisting: true,
        each: `name in ${list}`,
        body: { parent: expression('vault'), name: expression('name') },
      }),
      bicepRole({
        symbol: `${type}Role`,
        each: `(name, i) in ${list}`,
        role: needs[type].role,
        scope: `${type}[i]`,
        seeds: ['vault.id', 'principalId', bicepText(list), 'name'],
        principalId: expression('principalId'),
      }),
    ]),
  )
}

function bindingFile(): string {
  return codeFile(
    'param cluster string\nparam name string\nparam identityId string',
    bicepResource({
      symbol: 'managedCluster',
      type: 'Microsoft.ContainerService/managedClusters@2025-05-01',
      isExisting: true,
      body: { name: expression('cluster') },
    }),
    bicepResource({
      symbol: 'binding',
      type: `Microsoft.ContainerService/managedClusters/identityBindings@${bindingVersion}`,
      body: {
        parent: expression('managedCluster'),
        name: expression('name'),
        properties: { managedIdentity: { resourceId: expression('identityId') } },
      },
    }),
  )
}
