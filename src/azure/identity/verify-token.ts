import { createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto'
import { type Clock, systemClock } from '#lib'
import { parseJson, recordOf, stringOf } from '#lib/formats'
import type { ServiceAccountToken } from './service-account-token.ts'

export interface TokenVerifierOptions {
  /** The cluster's current public keys (a JWKS's `keys`), from a trusted place: never from where the token points. */
  fetchKeys: () => Promise<readonly (JsonWebKey & { kid?: string })[]>
  clock?: Clock | undefined
  /** How long keys are used, in milliseconds. Default 5 minutes. */
  holdMs?: number | undefined
}

/** Shortest time between two fetches, so that tokens with invented key ids cost the API server nothing. */
const refetchMs = 30_000
/** Clocks of node and API server may differ by this much. */
const leewayMs = 60_000

export interface TokenVerifier {
  verify(token: ServiceAccountToken): Promise<boolean>
  /** Reads the keys before the first token comes. Never rejects. */
  prepare(): Promise<void>
}

/**
 * Whether a service account token was signed by the cluster and is valid now. False as well when the keys cannot be read: that
 * only means that pods do not share.
 */
export function createTokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  const { fetchKeys, clock = systemClock, holdMs = 5 * 60_000 } = options
  let keys = new Map<string, KeyObject>()
  let fetchedAt = Number.NEGATIVE_INFINITY
  let fetching: Promise<void> | undefined

  async function refresh(): Promise<void> {
    fetchedAt = clock.elapsed()
    try {
      const found = await fetchKeys()
      keys = new Map(found.map((jwk) => [jwk.kid ?? '', createPublicKey({ key: jwk, format: 'jwk' })]))
    } catch {
      keys = new Map()
    }
  }

  async function keyFor(kid: string): Promise<KeyObject | undefined> {
    const age = () => clock.elapsed() - fetchedAt
    if (age() > holdMs || (!keys.has(kid) && age() > refetchMs)) {
      void fetchOnce()
    }
    if (fetching !== undefined) await fetching
    return keys.get(kid)
  }

  function fetchOnce(): Promise<void> {
    fetching ??= refresh().finally(() => {
      fetching = undefined
    })
    return fetching
  }

  async function verifyToken({ token, claims }: ServiceAccountToken): Promise<boolean> {
    const [header = '', payload = '', signature = '', ...rest] = token.revealText().split('.')
    const { alg, kid } = readHeader(header)
    const algorithm = algorithms.get(alg)
    if (rest.length > 0 || kid === undefined || algorithm === undefined) return false
    if (claims.expiresAt === undefined || claims.expiresAt + leewayMs < clock.now()) return false
    const key = await keyFor(kid)
    if (key === undefined || key.asymmetricKeyType !== algorithm.type) return false
    const { hash, ieee = false } = algorithm
    const signed = Buffer.from(`${header}.${payload}`)
    const bytes = Buffer.from(signature, 'base64url')
    return ieee ? verify(hash, signed, { key, dsaEncoding: 'ieee-p1363' }, bytes) : verify(hash, signed, key, bytes)
  }

  return { verify: verifyToken, prepare: fetchOnce }
}

/** What API servers sign with. https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/ */
const algorithms = new Map<string, { hash: string; type: string; ieee?: boolean }>([
  ['RS256', { hash: 'sha256', type: 'rsa' }],
  ['ES256', { hash: 'sha256', type: 'ec', ieee: true }],
  ['ES384', { hash: 'sha384', type: 'ec', ieee: true }],
  ['ES512', { hash: 'sha512', type: 'ec', ieee: true }],
])

function readHeader(text: string): { alg: string; kid: string | undefined } {
  try {
    const { alg, kid } = recordOf(parseJson('the header', Buffer.from(text, 'base64url'))) ?? {}
    return { alg: String(alg), kid: stringOf(kid) }
  } catch {
    return { alg: '', kid: undefined }
  }
}
