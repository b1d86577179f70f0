import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createHttpClient, type HttpClient, type HttpResponse, SecretValue } from '../lib/index.ts'

/** How to reach an Azure and who we are there. */
export interface AzureRestOptions {
  credentials: AzureCredentials
  /** Name of the resource group for all that is created. Default `keymount`. */
  resourceGroup?: string
  /** `http://127.0.0.1:18443` for the local Azure; the public one is reached directly. */
  proxy?: string
  /** PEM of the CA to trust beside the system's. */
  ca?: string
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

export interface RoleAssignment {
  role: keyof typeof builtInRoles
  principalId: string
  /** Vault on which the role holds. Default: the resource group, and so every vault in it. */
  vault?: string
}

/** An answer of Azure that is no success. */
export class AzureRestError extends Error {
  override readonly name = 'AzureRestError'
  readonly status: number
  /** Azure's code, for example `ResourceNotFound`. */
  readonly code: string

  constructor(message: string, options: { status: number; code: string }) {
    super(message)
    this.status = options.status
    this.code = options.code
  }
}

/**
 * The few operations of Azure's public REST interface that the demo and the end-to-end cases need. Every method rejects
 * with {@link AzureRestError}, or with `HttpFault` when there was no answer.
 */
export interface AzureRest {
  readonly tenantId: string
  readonly subscriptionId: string
  /** Object id of the principal that we are signed in as. */
  principalId(): Promise<string>
  /** Resource Manager; the path begins with `/subscriptions/…` and carries its `api-version`. */
  get<T>(path: string): Promise<T>
  put<T>(path: string, body: unknown): Promise<T>
  delete(path: string): Promise<void>
  /** Creates the resource group that all of the following lie in. */
  createResourceGroup(): Promise<void>
  /** A vault that answers by role assignments (RBAC), not by access policies. */
  createVault(name: string): Promise<void>
  /** A user-assigned managed identity. */
  createIdentity(name: string): Promise<Identity>
  /** Creates or replaces a federated credential of a user-assigned identity. */
  setFederatedCredential(identity: string, credential: FederatedCredential): Promise<void>
  /** Giving a role twice is no error. */
  assignRole(assignment: RoleAssignment): Promise<void>
  /** Takes back a role that {@link assignRole} gave. */
  removeRole(assignment: RoleAssignment): Promise<void>
  /** A virtual machine scale set with these user-assigned identities, which its machines then get tokens for. */
  setMachineIdentities(name: string, identities: readonly string[]): Promise<void>
  /** An application that may sign in, with a password. */
  createApplication(name: string): Promise<Application>
  /** One call on the data of a vault, for example `/keys/NAME/create`; the version of the interface is added. */
  vault<T>(method: 'GET' | 'PUT' | 'POST', vault: string, path: string, body?: unknown): Promise<T>
  /** Sets a new version. */
  setSecret(vault: string, name: string, value: string): Promise<void>
  stop(): void
}

/** https://learn.microsoft.com/azure/role-based-access-control/built-in-roles */
export const builtInRoles = {
  'Key Vault Certificate User': 'db79e9a7-68ee-4b58-9aeb-b90e7c24fcba',
  'Key Vault Certificates Officer': 'a4417e6f-fecd-4de8-b567-7b0420556985',
  'Key Vault Crypto Officer': '14b46e9e-c2b7-41b4-b07b-48a6ebf60603',
  'Key Vault Crypto User': '12338af0-0e69-4776-bea7-57ae8d297424',
  'Key Vault Secrets Officer': 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7',
  'Key Vault Secrets User': '4633458b-17de-408a-b874-0445c86b69e6',
} as const

const location = 'eastus'
const managementScope = 'https://management.azure.com/.default'
const vaultScope = 'https://vault.azure.net/.default'
const graphScope = 'https://graph.microsoft.com/.default'

export function createAzureRest(options: AzureRestOptions): AzureRest {
  const { credentials, resourceGroup = 'keymount', proxy, ca } = options
  const { tenantId, subscriptionId } = credentials
  const http = createHttpClient({
    ...(proxy === undefined ? {} : { proxyEnv: { HTTPS_PROXY: proxy } }),
    ...(ca === undefined ? {} : { extraCa: ca }),
  })
  const tokens = createTokens(http, credentials)

  async function call<T>(
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    url: URL,
    { scope, body }: { scope: string; body?: unknown },
  ): Promise<T> {
    const token = await tokens(scope)
    const response = await http.send({
      method,
      url,
      headers: { authorization: `Bearer ${token.revealText()}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return answer<T>(`${method} ${url.host}${url.pathname}`, response)
  }

  const managed = (path: string) => new URL(path, 'https://management.azure.com')
  const put = <T>(path: string, body: unknown) => call<T>('PUT', managed(path), { scope: managementScope, body })
  const graph = <T>(path: string, body: unknown) =>
    call<T>('POST', new URL(path, 'https://graph.microsoft.com/v1.0/'), { scope: graphScope, body })
  const vault: AzureRest['vault'] = (method, name, path, body) =>
    call(method, new URL(`https://${name}.vault.azure.net${path}?api-version=7.4`), { scope: vaultScope, body })
  const group = `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}`
  const vaultPath = (name: string) => `${group}/providers/Microsoft.KeyVault/vaults/${name}`
  const identityPath = (name: string) => `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`

  /** An assignment's name is a GUID of the caller's choice; made of what it says, the same assignment is the same resource. */
  const assignmentPath = ({ role, principalId, vault }: RoleAssignment) => {
    const scope = vault === undefined ? group : vaultPath(vault)
    const name = guidOf([scope, role, principalId])
    return `${scope}/providers/Microsoft.Authorization/roleAssignments/${name}?api-version=2022-04-01`
  }

  return {
    tenantId,
    subscriptionId,
    principalId: async () => claims(await tokens(managementScope)).oid,
    get: (path) => call('GET', managed(path), { scope: managementScope }),
    put,
    async delete(path) {
      await call('DELETE', managed(path), { scope: managementScope })
    },
    async createResourceGroup() {
      await put(`${group}?api-version=2024-11-01`, { location })
    },
    async createVault(name) {
      const sku = { family: 'A', name: 'standard' }
      const properties = { tenantId, sku, enableRbacAuthorization: true, accessPolicies: [] }
      await put(`${vaultPath(name)}?api-version=2023-07-01`, { location, properties })
    },
    async createIdentity(name) {
      const path = `${identityPath(name)}?api-version=2023-01-31`
      const { properties } = await put<{ properties: Identity }>(path, { location })
      return properties
    },
    async setFederatedCredential(identity, { name, issuer, subject, audiences = ['api://AzureADTokenExchange'] }) {
      const path = `${identityPath(identity)}/federatedIdentityCredentials/${name}?api-version=2023-01-31`
      await put(path, { properties: { issuer, subject, audiences } })
    },
    async assignRole(assignment) {
      const { role, principalId } = assignment
      const definitions = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions`
      const roleDefinitionId = `${definitions}/${builtInRoles[role]}`
      const properties = { roleDefinitionId, principalId, principalType: 'ServicePrincipal' }
      try {
        await put(assignmentPath(assignment), { properties })
      } catch (error) {
        if (!(error instanceof AzureRestError && error.code === 'RoleAssignmentExists')) throw error
      }
    },
    async removeRole(assignment) {
      await call('DELETE', managed(assignmentPath(assignment)), { scope: managementScope })
    },
    async setMachineIdentities(name, identities) {
      const path = `${group}/providers/Microsoft.Compute/virtualMachineScaleSets/${name}?api-version=2024-07-01`
      const userAssignedIdentities = Object.fromEntries(identities.map((one) => [identityPath(one), {}]))
      await put(path, { location, identity: { type: 'UserAssigned', userAssignedIdentities }, properties: {} })
    },
    async createApplication(displayName) {
      const { id, appId } = await graph<{ id: string; appId: string }>('applications', { displayName })
      const principal = await graph<{ id: string }>('servicePrincipals', { appId })
      const { secretText } = await graph<{ secretText: string }>(`applications/${id}/addPassword`, {
        passwordCredential: { displayName },
      })
      return { clientId: appId, clientSecret: SecretValue.of(secretText), principalId: principal.id }
    },
    vault,
    async setSecret(name, secret, value) {
      await vault('PUT', name, `/secrets/${secret}`, { value })
    },
    stop: () => http.stop(),
  }
}

/** Reads the ready-made administrator of the local Azure. */
export function readCredentials(path: string): AzureCredentials {
  const { clientSecret, ...rest } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>
  const { tenantId = '', subscriptionId = '', clientId = '' } = rest
  return { tenantId, subscriptionId, clientId, clientSecret: SecretValue.of(clientSecret ?? '') }
}

/**
 * Tokens by client credentials, one per scope, kept until shortly before they end.
 * https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
 */
function createTokens(http: HttpClient, { tenantId, clientId, clientSecret }: AzureCredentials) {
  const held = new Map<string, { token: Promise<SecretValue>; renewAt: number }>()

  async function request(scope: string): Promise<{ token: SecretValue; lifetimeMs: number }> {
    const url = new URL(`https://login.microsoftonline.com/${tenantId}/oauth2/v2.0/token`)
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: clientSecret.revealText(),
      scope,
    })
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const response = await http.send({ method: 'POST', url, headers, body: form.toString() })
    const body = answer<{ access_token: string; expires_in: number }>('sign in to Microsoft Entra ID', response)
    return { token: SecretValue.of(body.access_token), lifetimeMs: Number(body.expires_in) * 1000 }
  }

  return (scope: string): Promise<SecretValue> => {
    const known = held.get(scope)
    if (known !== undefined && known.renewAt > Date.now()) return known.token
    const entry = { token: Promise.resolve(SecretValue.of('')), renewAt: Number.POSITIVE_INFINITY }
    entry.token = request(scope).then(
      ({ token, lifetimeMs }) => {
        entry.renewAt = Date.now() + lifetimeMs - 60_000
        return token
      },
      (error: unknown) => {
        held.delete(scope)
        throw error
      },
    )
    held.set(scope, entry)
    return entry.token
  }
}

function guidOf(words: readonly string[]): string {
  const hex = createHash('sha256').update(words.join('\0')).digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-')
}

function claims(token: SecretValue): { oid: string } {
  const payload = token.revealText().split('.')[1] ?? ''
  return JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as { oid: string }
}

interface ErrorBody {
  /** Resource Manager and Key Vault: an object; Entra: a code, with the text beside it. */
  error?: { code?: string; message?: string } | string
  error_description?: string
}

function answer<T>(what: string, { status, body }: HttpResponse): T {
  const text = body.toString('utf8')
  if (status >= 200 && status < 300) return (text === '' ? {} : JSON.parse(text)) as T
  const { code, message } = readError(text)
  throw new AzureRestError(`${what}: HTTP ${status} ${code} ${message}`.trim(), { status, code })
}

function readError(text: string): { code: string; message: string } {
  try {
    const { error, error_description: description = '' } = JSON.parse(text) as ErrorBody
    if (typeof error === 'string') return { code: error, message: description }
    return { code: error?.code ?? '', message: error?.message ?? '' }
  } catch {
    return { code: '', message: text.slice(0, 200) }
  }
}
