import { readFileSync } from 'node:fs'
import {
  type AzureCloud,
  type AzureService,
  assignRole,
  type BuiltInRole,
  builtInRoles,
  createAzureClient,
  createEntraTokens,
  findAzureCloud,
  removeRole,
} from '#azure/rest'
import { SecretValue } from '#lib'
import { createHttpClient } from '#lib/http'
import {
  createEventQueue,
  type EventQueue,
  type EventQueueContext,
  giveRole,
  subscribeToVault,
  type VaultSource,
} from './event-queue.ts'

/** How to reach an Azure, and as whom. */
export interface LabAzureOptions {
  credentials: AzureCredentials
  /** Name of the resource group for all that is created. Default `keymount`. */
  resourceGroup?: string | undefined
  /** `http://127.0.0.1:18443` for the local Azure; the public one is reached directly. */
  proxy?: string | undefined
  /** PEM of a CA to trust in addition to the system's. */
  ca?: string | undefined
}

export interface AzureCredentials {
  tenantId: string
  subscriptionId: string
  clientId: string
  clientSecret: SecretValue
}

export interface Identity {
  clientId: string
  principalId: string
  tenantId: string
}

export interface Application {
  clientId: string
  clientSecret: SecretValue
  /** Of its service principal. */
  principalId: string
}

export interface FederatedCredential {
  name: string
  issuer: string
  subject: string
  /** Default: the one that Azure fills in, `api://AzureADTokenExchange`. */
  audiences?: readonly string[]
}

export interface LabRole {
  role: BuiltInRole
  principalId: string
  /** Vault on which the role holds. Default: the resource group, and so every vault in it. */
  vault?: string
}

/**
 * What the demo and the end-to-end cases do in Azure, over its public REST interface. Every method rejects with
 * `AzureRestError`, with `IdentityError`, or with `HttpFault` when there was no answer.
 */
export interface LabAzure {
  readonly tenantId: string
  readonly subscriptionId: string
  /** Object id of the principal that is signed in. */
  principalId(): Promise<string>
  readonly resourceManager: AzureService
  /** Creates the resource group that all of the following are in. */
  createResourceGroup(): Promise<void>
  /** A vault with role assignments (RBAC), not access policies. */
  createVault(name: string): Promise<void>
  /** A user-assigned managed identity. */
  createIdentity(name: string): Promise<Identity>
  /** Creates or replaces a federated credential of a user-assigned identity. */
  setFederatedCredential(identity: string, credential: FederatedCredential): Promise<void>
  /** Assigning a role twice is not an error. */
  assignRole(role: LabRole): Promise<void>
  /** Removes what {@link assignRole} assigned. */
  removeRole(role: LabRole): Promise<void>
  /**
   * Assigns user-assigned identities to the nodes of the lab's cluster: to their scale set, or, for a cluster that is not
   * managed by this Azure, to a new scale set of this name.
   */
  assignToNodes(name: string, identities: readonly string[]): Promise<void>
  /** A storage queue for events of vaults, which the identity with this object id may take messages from. */
  createEventQueue(name: string, reader: string): Promise<EventQueue>
  /** Has Event Grid write these events of a vault to the queue. @param vault in the resource group, by its name, or any. */
  subscribeToVault(vault: string | VaultSource, queue: EventQueue, types: readonly string[]): Promise<void>
  /** All of the subscription. */
  vaults(): Promise<VaultSource[]>
  /** An application that can sign in with a password. */
  createApplication(name: string): Promise<Application>
  /** One call of the data plane of a vault, for example `/keys/NAME/create`; the API version is added. */
  vault<T>(method: 'GET' | 'PUT' | 'POST', vault: string, path: string, body?: unknown): Promise<T>
  /** Sets a new version. */
  setSecret(vault: string, name: string, value: string): Promise<void>
  stop(): void
}

const location = 'eastus'
const vaultResource = 'https://vault.azure.net'

/** Ids in the resource group that holds the nodes of `up`'s cluster. */
const primaryNodes = /\/resourceGroups\/MC_keymount_keymount_/i

const groups = { apiVersion: '2024-11-01' }
const vaults = { apiVersion: '2023-07-01' }
const identities = { apiVersion: '2023-01-31' }
const machines = { apiVersion: '2024-07-01' }
const vaultData = { apiVersion: '7.4' }

export function createLabAzure(options: LabAzureOptions): LabAzure {
  const { resourceGroup = 'keymount' } = options
  const { tenantId, subscriptionId } = options.credentials
  const { cloud, tokens, client, send, stop } = connect(options)
  const { resourceManager } = client

  const group = `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}`
  const vaultPath = (name: string) => `${group}/providers/Microsoft.KeyVault/vaults/${name}`
  const identityPath = (name: string) => `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`
  const dataOf = (vault: string) => client.service(new URL(`https://${vault}.vault.azure.net`), vaultResource)

  const assignmentOf = ({ role, principalId, vault }: LabRole) => ({
    scope: vault === undefined ? group : vaultPath(vault),
    roleDefinitionId: `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${builtInRoles[role]}`,
    principalId,
  })

  const principalId = async () => objectIdOf(await tokens.get(cloud.resourceManager))
  const eventQueueContext = async (): Promise<EventQueueContext> => ({
    ...{ resourceManager, group, subscriptionId, location, tokens, send },
    principalId: await principalId(),
  })

  return {
    tenantId,
    subscriptionId,
    resourceManager,
    principalId,
    async createResourceGroup() {
      await resourceManager.put(group, { location }, groups)
    },
    async createVault(name) {
      const sku = { family: 'A', name: 'standard' }
      const properties = { tenantId, sku, enableRbacAuthorization: true, accessPolicies: [] }
      await resourceManager.put(vaultPath(name), { location, properties }, vaults)
    },
    async createIdentity(name) {
      const answer = await resourceManager.put<{ properties: Identity }>(identityPath(name), { location }, identities)
      return answer.properties
    },
    async setFederatedCredential(identity, { name, issuer, subject, audiences = ['api://AzureADTokenExchange'] }) {
      const path = `${identityPath(identity)}/federatedIdentityCredentials/${name}`
      await resourceManager.put(path, { properties: { issuer, subject, audiences } }, identities)
    },
    async assignRole(role) {
      await assignRole(resourceManager, assignmentOf(role))
    },
    async removeRole(role) {
      await removeRole(resourceManager, assignmentOf(role))
    },
    async assignToNodes(name, assigned) {
      const type = 'providers/Microsoft.Compute/virtualMachineScaleSets'
      const all = await resourceManager.list<{ id: string }>(`/subscriptions/${subscriptionId}/${type}`, machines)
      const ofCluster = all.find(({ id }) => primaryNodes.test(id))
      const userAssignedIdentities = Object.fromEntries(assigned.map((one) => [identityPath(one), {}]))
      const identity = { type: 'UserAssigned', userAssignedIdentities }
      if (ofCluster !== undefined) await resourceManager.patch(ofCluster.id, { identity }, machines)
      else await resourceManager.put(`${group}/${type}/${name}`, { location, identity, properties: {} }, machines)
    },
    async createEventQueue(name, reader) {
      const queue = await createEventQueue(await eventQueueContext(), name)
      const role = 'Storage Queue Data Message Processor'
      await giveRole({ resourceManager, subscriptionId }, { role, principalId: reader, scope: queue.account })
      return queue
    },
    async subscribeToVault(named, queue, types) {
      const vault = typeof named === 'string' ? { name: named, id: vaultPath(named), location } : named
      await subscribeToVault(await eventQueueContext(), { vault, queue, types })
    },
    vaults: () =>
      resourceManager.list<VaultSource>(`/subscriptions/${subscriptionId}/providers/Microsoft.KeyVault/vaults`, vaults),
    createApplication: (name) => createApplication(client.graph, name),
    vault<T>(method: 'GET' | 'PUT' | 'POST', name: string, path: string, body?: unknown) {
      const data = dataOf(name)
      if (method === 'GET') return data.get<T>(path, vaultData)
      return method === 'PUT' ? data.put<T>(path, body, vaultData) : data.post<T>(path, body, vaultData)
    },
    async setSecret(name, secret, value) {
      await dataOf(name).put(`/secrets/${secret}`, { value }, vaultData)
    },
    stop,
  }
}

function connect({ credentials, proxy, ca }: LabAzureOptions) {
  const { clientSecret, tenantId, clientId } = credentials
  const { send, stop } = createHttpClient({
    proxyEnv: proxy === undefined ? undefined : { HTTPS_PROXY: proxy },
    extraCa: ca,
    timeoutMs: 60_000,
  })
  const cloud = publicCloud()
  const proof = { kind: 'secret', secret: clientSecret } as const
  const credential = async () => ({ kind: 'service-principal', tenantId, clientId, proof }) as const
  const tokens = createEntraTokens({ cloud, credential, send })
  return { cloud, tokens, client: createAzureClient({ cloud, tokens, send }), send, stop }
}

function publicCloud(): AzureCloud {
  const cloud = findAzureCloud('')
  if (cloud === undefined) throw new Error('the public cloud is missing from the table of clouds')
  return cloud
}

function objectIdOf(token: SecretValue): string {
  const payload = token.revealText().split('.')[1] ?? ''
  return (JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as { oid: string }).oid
}

async function createApplication(graph: AzureService, displayName: string): Promise<Application> {
  const { id, appId } = await graph.post<{ id: string; appId: string }>('/applications', { displayName })
  const principal = await graph.post<{ id: string }>('/servicePrincipals', { appId })
  const { secretText } = await graph.post<{ secretText: string }>(`/applications/${id}/addPassword`, {
    passwordCredential: { displayName },
  })
  return { clientId: appId, clientSecret: SecretValue.of(secretText), principalId: principal.id }
}

/** Reads the credentials of the administrator that the local Azure comes with. */
export function readCredentials(path: string): AzureCredentials {
  const { clientSecret, ...rest } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>
  const { tenantId = '', subscriptionId = '', clientId = '' } = rest
  return { tenantId, subscriptionId, clientId, clientSecret: SecretValue.of(clientSecret ?? '') }
}
