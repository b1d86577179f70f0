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
import { audienceOf, type TokenRequest } from './imds-request.ts'

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

interface Held {
  token: AccessToken
  freshUntil: number
}

/** A token is not handed out in its last five minutes. */
const spareMs = 5 * 60_000
/** Tokens held at once; an application that asks for ever new resources only slows itself. Upstream's bound. */
const capacity = 128

/** Tokens of the pod's identity. While Entra cannot be reached, a token that is still valid goes on being used. */
export function createWorkloadTokens(options: WorkloadTokensOptions) {
  const { acquire, tenantId, cloud, tokenFile, holdMs, clock, log } = options
  const held = new Map<string, Held>()
  const joinFlight = createSingleFlight<AccessToken>()

  async function renew(key: string, { clientId, resource }: TokenRequest): Promise<AccessToken> {
    const assertion = await readServiceAccountToken(tokenFile)
    const credential = { kind: 'workload' as const, tenantId, clientId, assertion }
    const token = await acquire(credential, { cloud, resource: audienceOf(resource) })
    held.delete(key)
    const [oldest] = held.keys()
    if (held.size >= capacity && oldest !== undefined) held.delete(oldest)
    held.set(key, { token, freshUntil: Math.min(clock.now() + holdMs, token.expiresAt - spareMs) })
    return token
  }

  return {
    async get(request: TokenRequest): Promise<AccessToken> {
      const key = JSON.stringify([request.clientId, request.resource])
      const known = held.get(key)
      if (known !== undefined && known.freshUntil > clock.now()) return known.token
      try {
        return await joinFlight(key, () => renew(key, request))
      } catch (error) {
        const outage = error instanceof IdentityError && error.passing
        if (!outage || known === undefined || known.token.expiresAt - spareMs <= clock.now()) throw error
        log.warn({ err: error, ...request }, 'no new token; the one before is still valid and goes on being used')
        return known.token
      }
    },
  }
}

async function readServiceAccountToken(file: string): Promise<ServiceAccountToken> {
  try {
    const text = (await readFile(file, 'utf8')).trim()
    return { token: SecretValue.of(text), claims: readTokenClaims(text) }
  } catch (error) {
    throw new Error(`cannot read the service account token (AZURE_FEDERATED_TOKEN_FILE): ${errorMessage(error)}`)
  }
}
