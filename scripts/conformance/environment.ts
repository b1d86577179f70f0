import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { decodeJwt } from 'jose'
import { type AzureTokens, createAzureClient, createEntraTokens, findAzureCloud } from '#azure/rest'
import { azureHttp } from '#daemon'
import { type AdministratorCredentials, startLocalAzure } from '#lab/azure'
import { SecretValue } from '#lib'
import { createHttpClient, type HttpSend } from '#lib/http'
import { type Fence, guard } from './guard.ts'

/** One Azure that cases run against, as one signed-in caller sees it. */
export interface Environment {
  name: 'local' | 'azure'
  subscriptionId: string
  tenantId: string
  /** Object id of the caller. */
  objectId: string
  tokens: AzureTokens
  /** Without credentials, and without the fence. */
  send: HttpSend
}

const cloud = (() => {
  const found = findAzureCloud('AzurePublicCloud')
  if (found === undefined) throw new Error('no public cloud')
  return found
})()

export const vaultResource = cloud.vaultResource

/** Clients of one environment that reach what is within the fence. A signal ends what they do. */
export function clientsOf({ tokens, send }: Environment, fence: Fence, signal?: AbortSignal) {
  const guarded = guard((request) => send({ ...request, signal: request.signal ?? signal }), fence)
  const { resourceManager, service } = createAzureClient({ cloud, tokens, send: guarded, signal })
  return {
    arm: resourceManager,
    vault: (name: string) => service(new URL(`https://${name}.${cloud.vaultSuffix}`), vaultResource),
    send: guarded,
  }
}

/** The local Azure of this repository, in this process. It ends with the stack. */
export async function openLocal(stack: AsyncDisposableStack): Promise<Environment> {
  const stateDir = mkdtempSync(join(tmpdir(), 'keymount-conformance-'))
  stack.defer(() => rmSync(stateDir, { recursive: true, force: true }))
  const azure = await startLocalAzure({ stateDir })
  stack.defer(() => azure.stop())
  const http = createHttpClient({ proxyEnv: { HTTPS_PROXY: azure.proxyUrl }, ca: readFileSync(azure.caFile, 'utf8') })
  stack.defer(() => http.stop())
  const { subscriptionId, tenantId, clientId, clientSecret } = JSON.parse(
    readFileSync(azure.credentialsFile, 'utf8'),
  ) as AdministratorCredentials
  const proof = { kind: 'secret', secret: SecretValue.of(clientSecret) } as const
  const credential = { kind: 'service-principal', tenantId, clientId, proof } as const
  const tokens = createEntraTokens({ cloud, credential: async () => credential, send: http.send })
  return withIdentity({ name: 'local', subscriptionId, tenantId, tokens, send: http.send })
}

export interface Account {
  id: string
  name: string
  tenantId: string
  user: { name: string }
}

/** The account that az is signed in with. */
export async function azAccount(): Promise<Account> {
  return JSON.parse(await az('account', 'show')) as Account
}

/** Azure, with the sign-in of az and the proxy settings of the environment. */
export async function openAzure(account: Account, stack: AsyncDisposableStack): Promise<Environment> {
  const http = createHttpClient({ ...azureHttp(process.env), timeoutMs: 60_000 })
  stack.defer(() => http.stop())
  const held = new Map<string, Promise<SecretValue>>()
  const request = async (resource: string) => {
    const words = ['account', 'get-access-token', '--resource', resource, '--subscription', account.id]
    const { accessToken } = JSON.parse(await az(...words)) as { accessToken: string }
    return SecretValue.of(accessToken)
  }
  const tokens: AzureTokens = {
    get(resource) {
      const token = held.get(resource) ?? request(resource)
      held.set(resource, token)
      return token
    },
  }
  const { id: subscriptionId, tenantId } = account
  return withIdentity({ name: 'azure', subscriptionId, tenantId, tokens, send: http.send })
}

async function withIdentity(environment: Omit<Environment, 'objectId'>): Promise<Environment> {
  const token = await environment.tokens.get(vaultResource)
  return { ...environment, objectId: String(decodeJwt(token.revealText()).oid ?? '') }
}

async function az(...words: string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('az', [...words, '--output', 'json'], { timeout: 60_000 })
    return stdout
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string }
    throw new Error(
      `az ${words.slice(0, 2).join(' ')} failed: ${stderr.trim().split('\n').at(-1) || (error as Error).message}`,
    )
  }
}
