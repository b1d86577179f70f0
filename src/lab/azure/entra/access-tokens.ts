import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
} from 'node:crypto'
import { errors, exportJWK, type JWK, jwtVerify, SignJWT } from 'jose'
import type { Clock } from '#lib'
import type { RecordStore } from '../records/record-store.ts'

/** The claims of a verified access token, in the shape of Azure's v1.0 tokens, which its own services get from either endpoint. */
export interface AccessTokenClaims {
  aud: string
  iss: string
  tid: string
  /** Object id of the principal, by which access is decided. */
  oid: string
  sub: string
  appid: string
  exp: number
  nbf: number
}

export interface AccessTokenSpec {
  audience: string
  appId: string
  objectId: string
  /** How the client authenticated: `1` by a secret, `2` by an assertion. */
  appidacr: '1' | '2'
  lifetimeSeconds: number
  /** Resource id of a managed identity. */
  resourceId?: string | undefined
}

/** Why an access token is refused. Clients react to `expired` by themselves. */
export type AccessTokenFault = 'malformed' | 'signature' | 'expired' | 'not-yet-valid'

export interface AccessTokens {
  issue(spec: AccessTokenSpec): Promise<string>
  /**
   * The claims of a token that this tenant issued and that is valid now; the caller checks the audience.
   * @param refusal returns the error that is thrown for any other token.
   */
  verify(token: string, refusal: (fault: AccessTokenFault) => Error): Promise<AccessTokenClaims>
  /** The public keys, as Entra publishes them. */
  readonly jwks: { keys: JWK[] }
}

interface SigningKey {
  kid: string
  privateKeyPem: string
}

/** Verified tokens are cached for this long: verifying RSA is most of the cost of reading a secret. */
const cacheMs = 30_000
const maxCached = 5000
/** Azure backdates its tokens for clients whose clocks are slow. */
const backdateSeconds = 300

export async function createAccessTokens(store: RecordStore, tenantId: string, clock: Clock): Promise<AccessTokens> {
  const { kid, privateKeyPem } = signingKey(store)
  const privateKey = createPrivateKey(privateKeyPem)
  const publicKey = createPublicKey(privateKey)
  const issuer = `https://sts.windows.net/${tenantId}/`
  const cache = new Map<string, { claims: AccessTokenClaims; verifiedAt: number }>()

  return {
    jwks: { keys: [{ ...(await exportJWK(publicKey)), kid, x5t: kid, use: 'sig', alg: 'RS256' }] },
    issue({ audience, appId, objectId, appidacr, lifetimeSeconds, resourceId }) {
      const now = Math.floor(clock.now() / 1000)
      const claims = {
        appid: appId,
        appidacr,
        idp: issuer,
        idtyp: 'app',
        oid: objectId,
        sub: objectId,
        tid: tenantId,
        uti: randomUUID(),
        ver: '1.0',
        xms_mirid: resourceId,
      }
      return new SignJWT(claims)
        .setProtectedHeader({ typ: 'JWT', alg: 'RS256', kid, x5t: kid })
        .setIssuer(issuer)
        .setAudience(audience)
        .setIssuedAt(now - backdateSeconds)
        .setNotBefore(now - backdateSeconds)
        .setExpirationTime(now + lifetimeSeconds)
        .sign(privateKey)
    },
    async verify(token, refusal) {
      const cached = cache.get(token)
      const isFresh = cached !== undefined && clock.elapsed() - cached.verifiedAt < cacheMs
      if (isFresh && clock.now() < cached.claims.exp * 1000) return cached.claims
      const claims = await verifySignature(token, publicKey, issuer, clock).catch((error: unknown) => {
        throw refusal(faultOf(error))
      })
      if (cache.size >= maxCached) cache.clear()
      cache.set(token, { claims, verifiedAt: clock.elapsed() })
      return claims
    },
  }
}

/** The key in the state, or a new one: it must survive a restart, because clients cache tokens. */
function signingKey(store: RecordStore): SigningKey {
  const keys = store.collection<SigningKey>('signing-keys')
  for (const stored of keys.values()) return stored
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const made = {
    kid: thumbprint(publicKey),
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
  store.commit([keys.put(made.kid, made)])
  return made
}

function thumbprint(publicKey: KeyObject): string {
  return createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url')
}

async function verifySignature(token: string, publicKey: KeyObject, issuer: string, clock: Clock) {
  const { payload } = await jwtVerify<AccessTokenClaims>(token, publicKey, {
    algorithms: ['RS256'],
    issuer,
    requiredClaims: ['aud', 'exp', 'nbf', 'oid', 'appid', 'tid'],
    currentDate: new Date(clock.now()),
  })
  return payload
}

function faultOf(error: unknown): AccessTokenFault {
  if (error instanceof errors.JWTExpired) return 'expired'
  if (error instanceof errors.JWTClaimValidationFailed) return error.claim === 'nbf' ? 'not-yet-valid' : 'signature'
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature'
  return 'malformed'
}
