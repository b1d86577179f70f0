import { readFile } from 'node:fs/promises'
import {
  type AccessToken,
  type AcquireToken,
  type Cloud,
  IdentityError,
  readTokenClaims,
  type ServiceAccountToken,
} from '#azure/identity'
import { type Clock, errorMessage, type Log, SecretValue } from '#lib'
import { createSingleFlight } from '#lib/async'
import { audienceOf, type ProxyTokenRequest } from './token-request.ts'

export interface WorkloadTokensOptions {
  acquire: AcquireToken
  tenantId: string
  cloud: Cloud
  /** The service account token that kubelet keeps fresh. Read for each exchange. */
  tokenFile: string
  /** How long a token is used before a new one is fetched, in milliseconds. */
  holdMs: number
  clock: Clock
  log: Log
}

interface HeldToken {
  token: AccessToken
  /** By the monotonic clock. */
  heldUntil: number
}

/** A token is not given out in its last five minutes. */
const spareMs = 5 * 60_000
/** Tokens held at once; an application that requests ever new resources only slows itself down. Upstream's limit. */
const capacity = 128

/** Tokens of the pod's identity. While Entra cannot be reached, a token that is still valid stays in use. */
export function createWorkloadTokens(options: WorkloadTokensOptions) {
  const { acquire, tenantId, cloud, tokenFile, holdMs, clock, log } = options
  const tokens = new Map<string, HeldToken>()
  const joinFlight = createSingleFlight<AccessToken>()
  const isValid = ({ expiresAt }: AccessToken) => clock.now() < expiresAt - spareMs

  async function renew(key: string, { clientId, resource }: ProxyTokenRequest): Promise<AccessToken> {
    const assertion = await readServiceAccountToken(tokenFile)
    const credential = { kind: 'workload' as const, tenantId, clientId, assertion }
    const token = await acquire(credential, { cloud, resource: audienceOf(resource) })
    tokens.delete(key)
    const [oldest] = tokens.keys()
    if (tokens.size >= capacity && oldest !== undefined) tokens.delete(oldest)
    tokens.set(key, { token, heldUntil: clock.elapsed() + holdMs })
    return token
  }

  return {
    async get(request: ProxyTokenRequest): Promise<AccessToken> {
      const key = JSON.stringify([request.clientId, request.resource])
      const held = tokens.get(key)
      if (held !== undefined && clock.elapsed() < held.heldUntil && isValid(held.token)) return held.token
      try {
        return await joinFlight(key, () => renew(key, request))
      } catch (error) {
        const outage = error instanceof IdentityError && error.retryable
        if (!outage || held === undefined || !isValid(held.token)) throw error
        log.warn({ err: error, ...request }, 'cannot get a new token; the previous one is still valid and stays in use')
        return held.token
      }
    },
  }
}

async function readServiceAccountToken(file: string): Promise<ServiceAccountToken> {
  try {
    const text = (await readFile(file, 'utf8')).trim()
    return { token: SecretValue.of(text), claims: readTokenClaims(text) }
  } catch (error) {
    throw new Error(`cannot read the service account token (AZURE_FEDERATED_TOKEN_FILE): ${errorMessage(error)}`, {
      cause: error,
    })
  }
}
