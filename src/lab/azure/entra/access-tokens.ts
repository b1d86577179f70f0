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

/** What a verified access token says. The shape is Azure's v1.0 token, which its own services get whichever endpoint issued it. */
export interface AccessTokenClaims {
  aud: string
  iss: string
  tid: string
  /** Object id of the principal: what access is decided by. */
  oid: string
  sub: string
  appid: string
  exp: number
  nbf: number
}

export interface TokenRequest {
  audience: string
  appId: string
  objectId: string
  /** How the client proved itself: `1` a secret, `2` an assertion. */
  appidacr: '1' | '2'
  lifetimeSeconds: number
  /** Resource id, for managed identities. */
  resourceId?: string | undefined
}

/** Why a token was refused; `expired` is the one that clients mend by themselves. */
export type TokenFault = 'malformed' | 'signature' | 'expired' | 'not-yet-valid'

export class TokenError extends Error {
  override readonly name = 'TokenError'
  readonly fault: TokenFault

  constructor(fault: TokenFault, cause: unknown) {
    super(`access token refused: ${fault}`, { cause })
    this.fault = fault
  }
}

export interface AccessTokens {
  issue(request: TokenRequest): Promise<string>
  /** The claims of a token that this tenant issued and that is valid now. Throws {@link TokenError}. The audience is the caller's to check. */
  verify(token: string): Promise<AccessTokenClaims>
  /** The public keys, as Entra publishes them. */
  readonly jwks: { keys: JWK[] }
}

interface SigningKey {
  kid: string
  privateKeyPem: string
}

/** Verified tokens are remembered for this long, since verifying RSA for every read of a secret is most of its cost. */
const rememberMs = 30_000
const rememberAtMost = 5000
/** Azure dates its tokens back, against clocks that are behind. */
const backdateSeconds = 300

export async function createAccessTokens(store: RecordStore, tenantId: string, clock: Clock): Promise<AccessTokens> {
  const { kid, privateKeyPem } = signingKey(store)
  const privateKey = createPrivateKey(privateKeyPem)
  const publicKey = createPublicKey(privateKey)
  const issuer = `https://sts.windows.net/${tenantId}/`
  const remembered = new Map<string, { claims: AccessTokenClaims; until: number }>()

  async function verifyAnew(token: string): Promise<AccessTokenClaims> {
    try {
      const { payload } = await jwtVerify<AccessTokenClaims>(token, publicKey, {
        algorithms: ['RS256'],
        issuer,
        requiredClaims: ['aud', 'exp', 'nbf', 'oid', 'appid', 'tid'],
        currentDate: new Date(clock.now()),
      })
      return payload
    } catch (error) {
      throw new TokenError(faultOf(error), error)
    }
  }

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
        ...(resourceId !== undefined && { xms_mirid: resourceId }),
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
    async verify(token) {
      const now = clock.now()
      const known = remembered.get(token)
      if (known !== undefined && now < known.until) return known.claims
      const claims = await verifyAnew(token)
      if (remembered.size >= rememberAtMost) remembered.clear()
      remembered.set(token, { claims, until: Math.min(now + rememberMs, claims.exp * 1000) })
      return claims
    },
  }
}

/** The key in the state, or a new one: clients cache tokens, so it must outlive a restart. */
function signingKey(store: RecordStore): SigningKey {
  const keys = store.collection<SigningKey>('signing-keys')
  for (const known of keys.values()) return known
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

function faultOf(error: unknown): TokenFault {
  if (error instanceof errors.JWTExpired) return 'expired'
  if (error instanceof errors.JWTClaimValidationFailed) return error.claim === 'nbf' ? 'not-yet-valid' : 'signature'
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature'
  return 'malformed'
}
