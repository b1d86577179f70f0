import { readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import type { JWTPayload } from 'jose'
import type { MountRequest } from '#kubernetes/provider-protocol'
import type { LocalAzureOptions } from '#lab/azure'
import type { ProviderConfig } from '#product/provider'
import { startLocalAzure, type TestAzure, type TestIdentity, testAzure } from './local-azure.ts'
import { spawnLocalAzure } from './local-azure-process.ts'
import { attributes, startProvider, type TestProvider } from './provider.ts'
import { temporaryDirectory } from './temporary-directory.ts'
import { startTestIssuer, type TestIssuer } from './test-issuer.ts'

/** A local Azure, an issuer of service account tokens that it trusts, and providers that reach it. */
export interface ProviderLab {
  azure: TestAzure
  issuer: TestIssuer
  /** Proxy and trust, as the provider takes them. */
  http: ProviderConfig['http']
  startProvider(overrides?: Partial<ProviderConfig>): Promise<TestProvider>
  /** A vault and an identity that may read its secrets with the tokens of `default/app`. */
  createReadableVault(name: string): Promise<TestIdentity>
  /** One call on the data plane of a vault, as the administrator; throws when the status is not 2xx. */
  vault(
    name: string,
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    path: string,
    body?: unknown,
  ): Promise<Record<string, unknown>>
  /** A Mount as the driver sends it: these parameters, a token of `subject`. */
  request(parameters: Record<string, string>, options?: RequestOptions): Promise<Partial<MountRequest>>
  /** Requests that the local Azure counted since the last call, by kind. */
  takeCounts(): Promise<Record<string, number>>
}

export interface RequestOptions {
  /** Default `system:serviceaccount:default:app`. */
  subject?: string
  /** Overrides claims of the token. */
  claims?: JWTPayload
  audience?: string
}

export const appSubject = 'system:serviceaccount:default:app'

/** The cluster of the issuer's tokens: its keys are all that a provider asks for when the class names client and tenant. */
export function clusterOf({ url, caFile }: TestIssuer): ProviderConfig['kube'] {
  return { server: url, ca: readFileSync(caFile, 'utf8'), namespace: 'default' }
}

/** @param overrides of the local Azure, for example its clock. */
export async function startProviderLab(
  t: TestContext,
  overrides: Partial<LocalAzureOptions> = {},
): Promise<ProviderLab> {
  const issuer = await startTestIssuer(t)
  const azure = await startLocalAzure(t, { issuerCaFiles: [issuer.caFile], ...overrides })
  return lab(t, azure, issuer)
}

/** The same with the local Azure in a process of its own, so that a benchmark does not measure two programs in one. */
export async function startProviderLabProcess(
  t: TestContext,
  { issuerCaFiles = [] }: { issuerCaFiles?: readonly string[] } = {},
): Promise<ProviderLab> {
  const issuer = await startTestIssuer(t)
  const stateDir = temporaryDirectory(t, 'local-azure-')
  const trusted = [issuer.caFile, ...issuerCaFiles].flatMap((file) => ['--issuer-ca', file])
  const azure = await spawnLocalAzure(t, stateDir, trusted)
  t.after(() => azure.stop())
  return lab(t, await testAzure(t, azure, stateDir), issuer)
}

function lab(t: TestContext, azure: TestAzure, issuer: TestIssuer): ProviderLab {
  const http = { proxyEnv: { HTTPS_PROXY: azure.proxyUrl }, ca: readFileSync(azure.caFile, 'utf8') }
  const tenantID = azure.administrator.tenantId
  return {
    azure,
    issuer,
    http,
    startProvider: (overrides = {}) => startProvider(t, { http, ...overrides }),
    async createReadableVault(name) {
      const vault = await azure.createVault(name)
      const identity = await azure.createIdentity(`${name}-reader`)
      await azure.federate(identity, { issuer: issuer.url, subject: appSubject })
      await azure.assignRole('Key Vault Secrets User', identity.principalId, vault.id)
      return identity
    },
    async vault(name, method, path, body) {
      const { status, body: answer } = await azure.send({
        method,
        url: new URL(`https://${name}.vault.azure.net${path}?api-version=7.4`),
        headers: {
          authorization: `Bearer ${await azure.token('https://vault.azure.net')}`,
          'content-type': 'application/json',
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = answer.toString('utf8')
      if (status >= 300) throw new Error(`${method} ${path} answered ${status}: ${text}`)
      return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
    },
    async request(parameters, { subject = appSubject, claims = {}, audience = 'api://AzureADTokenExchange' } = {}) {
      const token = await issuer.token(subject, { aud: [audience], ...claims })
      return { attributes: attributes({ tenantID, ...parameters }, { [audience]: token }) }
    },
    async takeCounts() {
      const { counts } = (await azure.control('GET', '/requests')) as { counts: Record<string, number> }
      await azure.control('DELETE', '/requests')
      return counts
    },
  }
}
