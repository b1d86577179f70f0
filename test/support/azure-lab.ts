import { execFileSync, spawn } from 'node:child_process'
import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request as plainRequest } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHttpClient, type HttpResponse } from '../../src/lib/index.ts'
import type { ProviderConfig } from '../../src/provider/index.ts'

/**
 * A local Azure in a process of its own with what a reader of vaults needs: a vault, identities with their roles, and an
 * issuer of service account tokens that Entra trusts. Everything is made through the public REST paths.
 */
export interface AzureLab {
  tenantId: string
  /** Proxy and CA, as the provider takes them. */
  http: ProviderConfig['http']
  /** A new vault with RBAC; the administrator may write to it. */
  createVault(name: string): Promise<void>
  /** A user-assigned identity that may read the vaults; `subjects` get a federated credential each. */
  createIdentity(
    name: string,
    options: { vaults: readonly string[]; subjects?: readonly string[]; role?: string },
  ): Promise<Identity>
  setSecret(vault: string, name: string, value: string, options?: Record<string, unknown>): Promise<string>
  /** Any data-plane call on a vault as the administrator; throws when the status is not 2xx. */
  vault(
    vault: string,
    method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'PATCH',
    path: string,
    body?: unknown,
  ): Promise<Record<string, unknown>>
  /** Any Resource Manager call as the administrator. */
  arm(
    method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'PATCH',
    path: string,
    body?: unknown,
  ): Promise<Record<string, unknown>>
  /** Any Graph call as the administrator. */
  graph(
    method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'PATCH',
    path: string,
    body?: unknown,
  ): Promise<Record<string, unknown>>
  /** A service account token as the API server makes them, signed by an issuer that Entra reaches. */
  token(subject: string, options?: { audience?: string; expiresInSeconds?: number; issuer?: string }): string
  issuer: string
  /** The issuer's public keys. */
  keys: () => Promise<readonly Record<string, unknown>[]>
  control(method: 'GET' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<Record<string, unknown>>
  /** Line of JSON that the local Azure printed when it was ready. */
  ready: Record<string, string>
  resourceGroup: string
  stop(): Promise<void>
}

export interface Identity {
  clientId: string
  principalId: string
  id: string
}

const root = join(import.meta.dirname, '../..')
const armVersion = '2024-11-01'

export async function startAzureLab(): Promise<AzureLab> {
  const directory = mkdtempSync(join(tmpdir(), 'keymount-azure-'))
  const issuer = await startIssuer(directory)
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      join(root, 'src/bin/local-azure.ts'),
      '--state',
      join(directory, 'state'),
      '--port',
      '0',
      '--issuer-ca',
      issuer.caFile,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const ready = JSON.parse(await firstLine(child.stdout)) as Record<string, string>
  const ca = readFileSync(ready['ca'] ?? '', 'utf8')
  const http = { proxyEnv: { HTTPS_PROXY: ready['proxy'] ?? '' }, ca }
  const client = createHttpClient(http)
  const admin = JSON.parse(readFileSync(ready['credentials'] ?? '', 'utf8')) as Record<string, string>
  const { tenantId = '', subscriptionId = '', clientId = '', clientSecret = '' } = admin
  const subscription = `/subscriptions/${subscriptionId}`
  const resourceGroup = `${subscription}/resourceGroups/lab`

  const tokens = new Map<string, string>()
  async function adminToken(resource: string): Promise<string> {
    const known = tokens.get(resource)
    if (known !== undefined) return known
    const form = {
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: clientSecret,
      scope: `${resource}/.default`,
    }
    const { access_token } = await call('POST', `https://login.microsoftonline.com/${tenantId}/oauth2/v2.0/token`, {
      form: new URLSearchParams(form).toString(),
    })
    tokens.set(resource, String(access_token))
    return String(access_token)
  }

  async function call(
    method: string,
    url: string,
    { body, form, resource }: { body?: unknown; form?: string; resource?: string },
  ): Promise<Record<string, unknown>> {
    const headers: Record<string, string> = { accept: 'application/json' }
    if (resource !== undefined) headers['authorization'] = `Bearer ${await adminToken(resource)}`
    headers['content-type'] = form === undefined ? 'application/json' : 'application/x-www-form-urlencoded'
    const text = form ?? (body === undefined ? undefined : JSON.stringify(body))
    const request = {
      method: method as 'GET',
      url: new URL(url),
      headers,
      ...(text === undefined ? {} : { body: text }),
    }
    const response: HttpResponse = await client.send(request)
    const answer = response.body.toString('utf8')
    if (response.status >= 300) throw new Error(`${method} ${url}: ${response.status} ${answer}`)
    return answer === '' ? {} : (JSON.parse(answer) as Record<string, unknown>)
  }

  const arm: AzureLab['arm'] = (method, path, body) =>
    call(method, `https://management.azure.com${path}${path.includes('?') ? '&' : '?'}api-version=${armVersion}`, {
      body,
      resource: 'https://management.azure.com',
    })
  const graph: AzureLab['graph'] = (method, path, body) =>
    call(method, `https://graph.microsoft.com/v1.0${path}`, { body, resource: 'https://graph.microsoft.com' })
  const vaultCall: AzureLab['vault'] = (vault, method, path, body) =>
    call(method, `https://${vault}.vault.azure.net${path}${path.includes('?') ? '&' : '?'}api-version=7.4`, {
      body,
      resource: 'https://vault.azure.net',
    })

  const vaultId = (name: string) => `${resourceGroup}/providers/Microsoft.KeyVault/vaults/${name}`
  async function assignRole(scope: string, role: string, principalId: string): Promise<void> {
    const roleDefinitionId = `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${role}`
    await arm('PUT', `${scope}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`, {
      properties: { roleDefinitionId, principalId, principalType: 'ServicePrincipal' },
    })
  }

  await arm('PUT', resourceGroup, { location: 'westeurope' })
  const adminObject = claimsOf(await adminToken('https://management.azure.com'))['oid'] as string

  return {
    tenantId,
    http,
    ready,
    resourceGroup,
    issuer: issuer.url,
    keys: async () => [issuer.jwk],
    token: issuer.sign,
    arm,
    graph,
    vault: vaultCall,
    async createVault(name) {
      const properties = {
        tenantId,
        sku: { family: 'A', name: 'standard' },
        enableRbacAuthorization: true,
        accessPolicies: [],
      }
      await arm('PUT', vaultId(name), { location: 'westeurope', properties })
      await assignRole(vaultId(name), roles.administrator, adminObject)
    },
    async createIdentity(name, { vaults, subjects = [], role = roles.secretsUser }) {
      const id = `${resourceGroup}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`
      const { properties } = (await arm('PUT', id, { location: 'westeurope' })) as { properties: Identity }
      for (const [index, subject] of subjects.entries()) {
        await arm('PUT', `${id}/federatedIdentityCredentials/fic-${index}`, {
          properties: { issuer: issuer.url, subject, audiences: ['api://AzureADTokenExchange'] },
        })
      }
      for (const vault of vaults) await assignRole(vaultId(vault), role, properties.principalId)
      return { clientId: properties.clientId, principalId: properties.principalId, id }
    },
    async setSecret(vault, name, value, options = {}) {
      const { id } = await vaultCall(vault, 'PUT', `/secrets/${name}`, { value, ...options })
      return String(id).split('/').at(-1) ?? ''
    },
    control: (method, path, body) => controlCall(ready['control'] ?? '', method, path, body),
    async stop() {
      client.stop()
      child.kill('SIGTERM')
      await new Promise((resolve) => child.once('exit', resolve))
      await issuer.stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/security */
export const roles = {
  administrator: '00482a5a-887f-4fb3-b363-3b7fe8e74483',
  secretsUser: '4633458b-17de-408a-b874-0445c86b69e6',
  cryptoUser: '12338af0-0e69-4776-bea7-57ae8d297424',
  certificateUser: 'db79e9a7-68ee-4b58-9aeb-b90e7c24fcba',
} as const

/** An OIDC issuer as an API server is one: discovery and keys over TLS with a CA of its own. */
async function startIssuer(directory: string) {
  const caFile = join(directory, 'issuer.pem')
  const keyFile = join(directory, 'issuer.key')
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      keyFile,
      '-out',
      caFile,
      '-days',
      '2',
      '-subj',
      '/CN=127.0.0.1',
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-addext',
      'basicConstraints=critical,CA:TRUE',
    ],
    { stdio: 'ignore' },
  )
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'lab', use: 'sig', alg: 'RS256' }
  const server = createServer({ key: readFileSync(keyFile), cert: readFileSync(caFile) }, (request, response) => {
    const discovery = {
      issuer: url,
      jwks_uri: `${url}/openid/v1/jwks`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
    }
    const body = request.url?.startsWith('/openid') ? { keys: [jwk] } : discovery
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return {
    url,
    caFile,
    jwk,
    sign(subject: string, options: { audience?: string; expiresInSeconds?: number; issuer?: string } = {}): string {
      const { audience = 'api://AzureADTokenExchange', expiresInSeconds = 3600, issuer: iss = url } = options
      const now = Math.floor(Date.now() / 1000)
      const claims = {
        iss,
        sub: subject,
        aud: [audience],
        iat: now - 10,
        nbf: now - 10,
        exp: now + expiresInSeconds,
        jti: randomUUID(),
      }
      const signed = `${encode({ alg: 'RS256', kid: 'lab' })}.${encode(claims)}`
      return `${signed}.${createSign('sha256').update(signed).sign(privateKey, 'base64url')}`
    },
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Record<string, unknown>
}

function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8')
      const end = text.indexOf('\n')
      if (end >= 0) resolve(text.slice(0, end))
    })
    stream.on('end', () => reject(new Error('the local Azure ended before it was ready')))
  })
}

function controlCall(
  socketPath: string,
  method: string,
  path: string,
  body: unknown,
): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const request = plainRequest(
      { socketPath, method, path, headers: { 'content-type': 'application/json' } },
      (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString('utf8')
        })
        response.on('end', () => {
          if ((response.statusCode ?? 500) >= 300)
            reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`))
          else resolve(text === '' ? {} : (JSON.parse(text) as Record<string, unknown>))
        })
      },
    )
    request.on('error', reject)
    request.end(body === undefined ? undefined : JSON.stringify(body))
  })
}
