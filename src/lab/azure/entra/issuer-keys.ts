import { readFileSync } from 'node:fs'
import { createLocalJWKSet, type JWTVerifyGetKey } from 'jose'
import { z } from 'zod'
import { type Clock, CodedError, errorMessage, type Log } from '#lib'
import { createSingleFlight } from '#lib/async'
import { parseJson } from '#lib/formats'
import { createHttpClient } from '#lib/http'
import { issuerKeysCooldownMs, issuerKeysFreshMs } from './limits.ts'

/** An issuer's documents cannot be fetched, or do not conform to OpenID Connect Discovery. */
export class IssuerError extends CodedError<'issuer-unavailable'> {}

export interface IssuerKeys {
  /** The issuer's current keys. Throws {@link IssuerError}. */
  get(issuer: string): Promise<JWTVerifyGetKey>
  /** The keys fetched again, because a token has an unknown key id. The cached ones when they were fetched just now. */
  refresh(issuer: string): Promise<JWTVerifyGetKey>
}

export interface IssuerKeysOptions {
  /** PEM files with authorities that are trusted in addition to the machine's. Read at each fetch: a cluster may write its file later. */
  caFiles: readonly string[]
  /** PEM of more authorities, called at each fetch. Default: none. */
  moreAuthorities?: (() => readonly string[]) | undefined
  clock: Clock
  log: Log
}

const discoveryDocument = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https$/ }) })
const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })) })

/** Fetches the keys of outside issuers as Entra does: discovery over TLS, then the key set. https://openid.net/specs/openid-connect-discovery-1_0.html */
export function createIssuerKeys({ caFiles, moreAuthorities = () => [], clock, log }: IssuerKeysOptions): IssuerKeys {
  const cache = new Map<string, { keys: JWTVerifyGetKey; fetchedAt: number }>()
  const singleFlight = createSingleFlight<JWTVerifyGetKey>()

  async function fetchKeys(issuer: string): Promise<JWTVerifyGetKey> {
    const http = createHttpClient({ extraCa: [readCertificates(caFiles, log), ...moreAuthorities()].join('\n') })
    try {
      const discovery = discoveryDocument.parse(
        await getJson(http, `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`),
      )
      if (discovery.issuer !== issuer) {
        throw new Error(`its discovery document names the issuer ${discovery.issuer}`)
      }
      const keys = createLocalJWKSet(keySet.parse(await getJson(http, discovery.jwks_uri)))
      cache.set(issuer, { keys, fetchedAt: clock.elapsed() })
      return keys
    } catch (error) {
      const text = error instanceof z.ZodError ? z.prettifyError(error) : errorMessage(error)
      throw new IssuerError('issuer-unavailable', `${issuer}: ${text}`, { cause: error })
    } finally {
      http.stop()
    }
  }

  async function keysNotOlderThan(issuer: string, ms: number): Promise<JWTVerifyGetKey> {
    const cached = cache.get(issuer)
    if (cached !== undefined && clock.elapsed() - cached.fetchedAt < ms) return cached.keys
    return singleFlight(issuer, () => fetchKeys(issuer))
  }

  return {
    get: (issuer) => keysNotOlderThan(issuer, issuerKeysFreshMs),
    refresh: (issuer) => keysNotOlderThan(issuer, issuerKeysCooldownMs),
  }
}

async function getJson(http: ReturnType<typeof createHttpClient>, url: string): Promise<unknown> {
  // An API server serves its keys as a JWK set (RFC 7517, section 8.5) and refuses a client that asks for plain JSON only.
  const headers = { accept: 'application/jwk-set+json, application/json;q=0.9' }
  const { status, body } = await http.send({ url: new URL(url), headers })
  if (status !== 200) throw new Error(`${url} answered ${status}`)
  return parseJson(url, body, { maxLength: 1024 * 1024 })
}

function readCertificates(files: readonly string[], log: Log): string {
  return files
    .map((file) => {
      try {
        return readFileSync(file, 'utf8')
      } catch (error) {
        log.warn({ err: error, file }, 'cannot read an issuer CA; continuing without it')
        return ''
      }
    })
    .join('\n')
}
