import type { ObjectSpec, ObjectType } from '#azure/class'
import type { BuiltInRole } from '#azure/rest'
import { nearestName } from '#lib'
import { HttpFault } from '#lib/http'
import { commandLine, shortList } from '#terminal'
import { type Answer, attempt } from '../../answer.ts'
import type { AzureSession } from '../azure-session.ts'
import { type Finding, ok, problem, unknown } from './finding.ts'

export interface Vault {
  id: string
  name: string
  properties: {
    tenantId: string
    enableRbacAuthorization?: boolean
    accessPolicies?: { objectId: string; permissions: Partial<Record<string, readonly string[]>> }[]
  }
}

interface Assignment {
  properties: { roleDefinitionId: string; scope: string }
}

interface Definition {
  properties: { roleName: string; permissions: { dataActions?: string[]; notDataActions?: string[] }[] }
}

/** What reading an object of a class needs, in both ways to grant it. */
export const needs: Record<ObjectType, { action: string; role: BuiltInRole; policy: string; flag: string }> = {
  secret: {
    action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action',
    role: 'Key Vault Secrets User',
    policy: 'secrets',
    flag: '--secret-permissions',
  },
  key: {
    action: 'Microsoft.KeyVault/vaults/keys/read',
    role: 'Key Vault Crypto User',
    policy: 'keys',
    flag: '--key-permissions',
  },
  cert: {
    action: 'Microsoft.KeyVault/vaults/certificates/read',
    role: 'Key Vault Certificate User',
    policy: 'certificates',
    flag: '--certificate-permissions',
  },
}

const authorization = { apiVersion: '2022-04-01' }

export interface VaultQuestion {
  vaultName: string
  /** Objects that the class reads from it. */
  objects: readonly Pick<ObjectSpec, 'type' | 'name'>[]
  /** Object id of the identity; undefined if it could not be found out. */
  principalId: string | undefined
}

/** Whether an identity may read what a class names, by role assignments or access policies. Never reads a value. */
export async function checkVault(azure: AzureSession, question: VaultQuestion): Promise<Finding[]> {
  const { vaultName, principalId } = question
  const vaults = await attempt(() => listVaults(azure))
  const all = 'value' in vaults ? vaults.value : []
  const vault = all.find(({ name }) => name.toLowerCase() === vaultName.toLowerCase())
  if (vault === undefined) return [await missingVault(azure, vaultName, vaults)]
  if (principalId === undefined) return [unknown('rights', 'the identity could not be found out')]
  const granted = await attempt(() => vaultGrants(azure, vault, principalId))
  const types = [...new Set(question.objects.map(({ type }) => type))]
  return types.map((type) => rightFinding(type, { vault, granted, question, principalId }))
}

/** Whether a vault exists; who reads from it is not known here. */
export async function checkVaultExists(azure: AzureSession, vaultName: string): Promise<Finding[]> {
  const vaults = await attempt(() => listVaults(azure))
  const all = 'value' in vaults ? vaults.value : []
  if (all.some(({ name }) => name.toLowerCase() === vaultName.toLowerCase())) return [ok('vault', 'exists')]
  return [await missingVault(azure, vaultName, vaults)]
}

export async function listVaults({ resourceManager, subscriptionId }: AzureSession): Promise<Vault[]> {
  const path = `/subscriptions/${subscriptionId()}/providers/Microsoft.KeyVault/vaults`
  return resourceManager.list<Vault>(path, { apiVersion: '2023-07-01' })
}

/** A vault that is not in the subscription may be in another one: whether it exists at all, its host shows. */
async function missingVault(azure: AzureSession, vaultName: string, vaults: Answer<Vault[]>): Promise<Finding> {
  if (await isNoVault(azure, vaultName)) {
    if (await isDeleted(azure, vaultName)) {
      const text = `${vaultName} was deleted and can be recovered`
      return problem('vault', 'vault-deleted', text, [commandLine('az', 'keyvault', 'recover', '--name', vaultName)])
    }
    const names = 'value' in vaults ? vaults.value.map(({ name }) => name) : []
    const near = nearestName(vaultName, names)
    const hint = near === undefined ? '' : ` (did you mean ${near}?)`
    return problem('vault', 'vault-missing', `there is no vault ${vaultName}${hint}: check keyvaultName of the class`, [
      'az keyvault list --query "[].name" --output tsv',
    ])
  }
  if ('why' in vaults) return unknown('vault', vaults.why)
  return unknown(
    'vault',
    `${vaultName} is not in subscription ${azure.subscriptionId()}, or you have no right to see it`,
  )
}

async function isDeleted({ resourceManager, subscriptionId }: AzureSession, vaultName: string): Promise<boolean> {
  const path = `/subscriptions/${subscriptionId()}/providers/Microsoft.KeyVault/deletedVaults`
  const deleted = await attempt(() => resourceManager.list<{ name: string }>(path, { apiVersion: '2023-07-01' }))
  return 'value' in deleted && deleted.value.some(({ name }) => name.toLowerCase() === vaultName.toLowerCase())
}

/** True if the name of the vault does not resolve, or nothing answers for it. Without a token, a vault answers 401. */
async function isNoVault({ send, cloud }: AzureSession, vaultName: string): Promise<boolean> {
  const address = `https://${vaultName}.${new URL(cloud.vaultResource).hostname}/secrets?api-version=7.4`
  if (!URL.canParse(address)) return true
  try {
    const { status } = await send({ url: new URL(address) })
    return status === 404
  } catch (error) {
    return error instanceof HttpFault && error.code === 'dns'
  }
}

/**
 * What grants the right to read an object, in words; undefined if nothing does.
 *
 * @param objectName empty for all objects of the vault
 */
export type Grants = (type: ObjectType, objectName: string, lists?: boolean) => string | undefined

/** By role assignments or access policies, whichever the vault has. */
export async function vaultGrants(azure: AzureSession, vault: Vault, principalId: string): Promise<Grants> {
  return vault.properties.enableRbacAuthorization === true
    ? roleGrants(azure, vault, principalId)
    : policyGrants(vault, principalId)
}

async function roleGrants({ resourceManager }: AzureSession, { id }: Vault, principalId: string): Promise<Grants> {
  const query = { $filter: `assignedTo('${principalId}')` }
  const path = `${id}/providers/Microsoft.Authorization/roleAssignments`
  const assignments = await resourceManager.list<Assignment>(path, { ...authorization, query })
  const roles = await Promise.all(
    assignments.map(async ({ properties }) => ({
      scope: properties.scope,
      definition: await resourceManager.get<Definition>(properties.roleDefinitionId, authorization),
    })),
  )
  return (type, objectName) => {
    const { action, policy } = needs[type]
    const scopes = [id, `${id}/${policy}/${objectName}`].map((scope) => scope.toLowerCase())
    const found = roles.find(({ scope, definition }) => {
      const at = scope === '/' ? '' : scope.toLowerCase()
      const reaches = scopes.some((wanted) => wanted === at || wanted.startsWith(`${at}/`))
      return reaches && permits(definition, action)
    })
    return found === undefined ? undefined : `role "${found.definition.properties.roleName}" on ${found.scope}`
  }
}

function permits({ properties }: Definition, action: string): boolean {
  const hits = (patterns: readonly string[] = []) => patterns.some((pattern) => matchesAction(pattern, action))
  return properties.permissions.some(({ dataActions, notDataActions }) => hits(dataActions) && !hits(notDataActions))
}

/** https://learn.microsoft.com/azure/role-based-access-control/role-definitions#wildcard-permissions */
export function matchesAction(pattern: string, action: string): boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`, 'i').test(action)
}

function policyGrants({ properties }: Vault, principalId: string): Grants {
  const policies = (properties.accessPolicies ?? []).filter(
    ({ objectId }) => objectId.toLowerCase() === principalId.toLowerCase(),
  )
  return (type, _, lists = false) => {
    const words = policies
      .flatMap(({ permissions }) => permissions[needs[type].policy] ?? [])
      .map((w) => w.toLowerCase())
    const has = (word: string) => words.includes(word) || words.includes('all')
    return has('get') && (!lists || has('list')) ? `access policy: ${needs[type].policy} get` : undefined
  }
}

interface RightFacts {
  vault: Vault
  granted: Answer<Grants>
  question: VaultQuestion
  principalId: string
}

function rightFinding(type: ObjectType, { vault, granted, question, principalId }: RightFacts): Finding {
  const check = `${type}s`
  if ('why' in granted) return unknown(check, granted.why)
  const names = question.objects.filter((object) => object.type === type).map(({ name }) => name)
  const missing = names.filter((name) => granted.value(type, name) === undefined)
  const [first = ''] = names
  if (missing.length === 0) return ok(check, `may be read: ${granted.value(type, first) ?? ''}`)
  const text = `the identity may not read ${type} ${shortList(missing)} from ${vault.name}`
  return problem(check, 'vault-forbidden', text, [grantCommand(type, vault, principalId)])
}

function grantCommand(type: ObjectType, { id, name, properties }: Vault, principalId: string): string {
  const { role, flag } = needs[type]
  if (properties.enableRbacAuthorization !== true) {
    const [, subscription = ''] = /^\/subscriptions\/([^/]+)/i.exec(id) ?? []
    const to = ['--subscription', subscription, '--object-id', principalId, flag, 'get']
    return commandLine('az', 'keyvault', 'set-policy', '--name', name, ...to)
  }
  const to = ['--assignee-object-id', principalId, '--assignee-principal-type', 'ServicePrincipal']
  return commandLine('az', 'role', 'assignment', 'create', '--role', role, ...to, '--scope', id)
}
