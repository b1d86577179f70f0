import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import type { TestContext } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import {
  type AdministratorCredentials,
  type LocalAzure,
  type LocalAzureOptions,
  startLocalAzure as start,
} from '#lab/azure'
import { CodedError, sleep } from '#lib'
import { callSocket, createHttpClient, type HttpSend, type SocketCall } from '#lib/http'
import { temporaryDirectory } from './temporary-directory.ts'

/** The local Azure in this process, with a client that acts as its administrator over HTTPS through the proxy. */
export interface TestAzure extends LocalAzure {
  readonly stateDir: string
  readonly administrator: AdministratorCredentials
  readonly arm: ArmClient
  /** A vault that the administrator may use. By default with RBAC. */
  createVault(name: string, options?: VaultOptions): Promise<TestVault>
  /** One exchange with Microsoft Graph (v1.0) as the administrator, whatever the answer. */
  graph: GraphClient
  /** A user-assigned managed identity. */
  createIdentity(name: string): Promise<TestIdentity>
  federate(identity: TestIdentity, credential: Federation): Promise<void>
  /** Gives a role, named as people do, and returns the assignment's id for `arm.delete`. */
  assignRole(roleName: string, principalId: string, scope: string): Promise<string>
  /** Sets a secret as the administrator and returns its id. */
  setSecret(vaultName: string, name: string, value: string): Promise<string>
  /** A token of the administrator, for example for `https://vault.azure.net`. */
  token(resource: string): Promise<string>
  /** One exchange through the proxy, without any credentials of its own. */
  send: HttpSend
  /** One exchange with Resource Manager as the administrator, whatever the answer. */
  raw(method: 'GET' | 'DELETE', path: string): ReturnType<HttpSend>
  /** The control socket. */
  control(method: SocketCall['method'], path: string, body?: unknown): Promise<unknown>
}

/** Resource Manager with JSON in and out; a deletion that goes on is waited for. Throws {@link ArmFailure} on any status but 2xx. Paths may leave out the api-version. */
export interface ArmClient {
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever the answer holds, and fail where it is not there
  (method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<any>
  get(path: string): ReturnType<ArmClient>
  put(path: string, body: unknown): ReturnType<ArmClient>
  delete(path: string): ReturnType<ArmClient>
}

export type GraphClient = (
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown,
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever the answer holds, and fail where it is not there
) => Promise<{ status: number; body: any }>

export class ArmFailure extends CodedError {
  readonly status: number

  constructor(status: number, code: string, message: string) {
    super(code, `${status} ${code}: ${message}`)
    this.status = status
  }
}

export interface VaultOptions {
  /** Default true; false makes a vault with access policies, which grant the administrator everything. */
  rbac?: boolean
  /** More properties of the vault. */
  properties?: Record<string, unknown>
}

export interface TestVault {
  id: string
  name: string
  url: string
}

export interface TestIdentity {
  id: string
  name: string
  principalId: string
  clientId: string
}

export interface Federation {
  issuer: string
  subject: string
  audiences?: string[]
  /** Default: a name of its own. */
  name?: string
}

/** The resource group that the helper works in. */
export const testGroup = 'keymount-test'

/** Starts a local Azure with a fresh state on a free port; it stops with the test. */
export async function startLocalAzure(t: TestContext, overrides: Partial<LocalAzureOptions> = {}): Promise<TestAzure> {
  const stateDir = overrides.stateDir ?? temporaryDirectory(t, 'local-azure-')
  const azure = await start({ ...overrides, stateDir })
  t.after(() => azure.stop())
  return testAzure(t, azure, stateDir)
}

/** The same helper on a local Azure that was started in another way, for example as a process. */
export async function testAzure(t: TestContext, azure: LocalAzure, stateDir: string): Promise<TestAzure> {
  const administrator = JSON.parse(readFileSync(azure.credentialsFile, 'utf8')) as AdministratorCredentials
  const http = createHttpClient({
    proxyEnv: { HTTPS_PROXY: azure.proxyUrl },
    extraCa: readFileSync(azure.caFile, 'utf8'),
  })
  t.after(() => http.stop())
  const token = (resource: string) => requestToken(http.send, administrator, resource)
  const arm = armClient(http.send, () => token('https://management.azure.com'))
  const group = `/subscriptions/${administrator.subscriptionId}/resourceGroups/${testGroup}`
  await arm.put(group, { location: 'westeurope' })
  const client = { send: http.send, administrator, arm, group, token }
  return {
    ...azure,
    stateDir,
    administrator,
    arm,
    token,
    send: http.send,
    async graph(method, path, body) {
      const answer = await http.send({
        method,
        url: new URL(`https://graph.microsoft.com/v1.0${path}`),
        headers: {
          authorization: `Bearer ${await token('https://graph.microsoft.com')}`,
          'content-type': 'application/json',
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      })
      const text = answer.body.toString('utf8')
      return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) }
    },
    async raw(method, path) {
      const url = new URL(`${path}?api-version=2024-01-01`, 'https://management.azure.com')
      const headers = { authorization: `Bearer ${await token('https://management.azure.com')}` }
      return http.send({ method, url, headers })
    },
    createVault: (name, options) => createVault(client, name, options),
    createIdentity: (name) => createIdentity(client, name),
    async federate(identity, { name = `f-${randomUUID()}`, ...properties }) {
      await arm.put(`${identity.id}/federatedIdentityCredentials/${name}`, { properties })
    },
    assignRole: (roleName, principalId, scope) => assignRole(client, roleName, principalId, scope),
    setSecret: (vaultName, name, value) => setSecret(client, vaultName, name, value),
    control: (method, path, body) => callSocket(azure.controlSocket, { method, path, body, timeoutMs: 60_000 }),
  }
}

/** Makes every TLS client of this process trust the lab, as `NODE_EXTRA_CA_CERTS` does for a new process. */
export function trustInThisProcess(azure: Pick<LocalAzure, 'caFile'>): void {
  setDefaultCACertificates([...getCACertificates('default'), readFileSync(azure.caFile, 'utf8')])
}

/** What a client of the Azure SDKs needs beside trust to find the lab. */
export function sdkOptions(azure: Pick<LocalAzure, 'proxyUrl'>) {
  const { hostname, port } = new URL(azure.proxyUrl)
  return { proxyOptions: { host: `http://${hostname}`, port: Number(port) } }
}

interface AdministratorClient {
  send: HttpSend
  administrator: AdministratorCredentials
  arm: ArmClient
  /** Id of the helper's resource group. */
  group: string
  token(resource: string): Promise<string>
}

async function createVault(client: AdministratorClient, name: string, options: VaultOptions = {}): Promise<TestVault> {
  const { arm, administrator, group } = client
  const { rbac = true, properties = {} } = options
  const { tenantId } = administrator
  const objectId = await ownObjectId(client)
  const everything = { keys: ['all', 'purge'], secrets: ['all', 'purge'], certificates: ['all', 'purge'] }
  const vault = await arm.put(`${group}/providers/Microsoft.KeyVault/vaults/${name}`, {
    location: 'westeurope',
    properties: {
      tenantId,
      sku: { family: 'A', name: 'standard' },
      enableRbacAuthorization: rbac,
      accessPolicies: rbac ? [] : [{ tenantId, objectId, permissions: everything }],
      ...properties,
    },
  })
  if (rbac) await assignRole(client, 'Key Vault Administrator', objectId, vault.id)
  return { id: vault.id, name, url: vault.properties.vaultUri }
}

async function createIdentity({ arm, group }: AdministratorClient, name: string): Promise<TestIdentity> {
  const path = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`
  const { id, properties } = await arm.put(path, { location: 'westeurope' })
  return { id, name, principalId: properties.principalId, clientId: properties.clientId }
}

async function assignRole(
  { arm }: AdministratorClient,
  roleName: string,
  principalId: string,
  scope: string,
): Promise<string> {
  const filter = encodeURIComponent(`roleName eq '${roleName}'`)
  const { value } = await arm.get(`${scope}/providers/Microsoft.Authorization/roleDefinitions?$filter=${filter}`)
  const properties = { roleDefinitionId: value[0].id, principalId, principalType: 'ServicePrincipal' }
  const path = `${scope}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`
  return (await arm.put(path, { properties })).id
}

async function setSecret(client: AdministratorClient, vaultName: string, name: string, value: string): Promise<string> {
  const { status, body } = await client.send({
    method: 'PUT',
    url: new URL(`https://${vaultName}.vault.azure.net/secrets/${name}?api-version=7.4`),
    headers: {
      authorization: `Bearer ${await client.token('https://vault.azure.net')}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ value }),
  })
  if (status !== 200) throw new Error(`setting the secret ${name} answered ${status}: ${body.toString('utf8')}`)
  return JSON.parse(body.toString('utf8')).id
}

async function ownObjectId({ send, administrator, token }: AdministratorClient): Promise<string> {
  const filter = encodeURIComponent(`appId eq '${administrator.clientId}'`)
  const { body } = await send({
    url: new URL(`https://graph.microsoft.com/v1.0/servicePrincipals?$filter=${filter}`),
    headers: { authorization: `Bearer ${await token('https://graph.microsoft.com')}` },
  })
  return JSON.parse(body.toString('utf8')).value[0].id
}

/** A token of an application that signs in with its secret. Throws when it is refused. */
export async function requestToken(
  send: HttpSend,
  { tenantId, clientId, clientSecret }: Pick<AdministratorCredentials, 'tenantId' | 'clientId' | 'clientSecret'>,
  resource: string,
): Promise<string> {
  const form = {
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: clientSecret,
    scope: `${resource}/.default`,
  }
  const { status, body } = await send({
    method: 'POST',
    url: new URL(`https://login.microsoftonline.com/${tenantId}/oauth2/v2.0/token`),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
  })
  if (status !== 200) throw new Error(`the token endpoint answered ${status}: ${body.toString('utf8')}`)
  return JSON.parse(body.toString('utf8')).access_token
}

function armClient(send: HttpSend, token: () => Promise<string>): ArmClient {
  const call = async (method: Parameters<ArmClient>[0], path: string, body?: unknown) => {
    const url = new URL(path, 'https://management.azure.com')
    if (!url.searchParams.has('api-version')) url.searchParams.set('api-version', '2024-01-01')
    const answer = await send({
      method,
      url,
      headers: { authorization: `Bearer ${await token()}`, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    if (answer.status === 202 && method === 'DELETE') await finished(answer.headers)
    const parsed = answer.body.length === 0 ? undefined : JSON.parse(answer.body.toString('utf8'))
    if (answer.status >= 300) throw new ArmFailure(answer.status, parsed?.error?.code, parsed?.error?.message)
    return parsed
  }
  /** Polls the address in the headers until the work is done. */
  async function finished({ location }: IncomingHttpHeaders): Promise<void> {
    if (location === undefined) return
    const url = new URL(location)
    for (;;) {
      const { status } = await send({ url, headers: { authorization: `Bearer ${await token()}` } })
      if (status !== 202) return
      await sleep(20)
    }
  }

  return Object.assign(call, {
    get: (path: string) => call('GET', path),
    put: (path: string, body: unknown) => call('PUT', path, body),
    delete: (path: string) => call('DELETE', path),
  })
}
