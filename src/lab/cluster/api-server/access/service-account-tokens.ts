import { createHash, createPrivateKey, createPublicKey, randomUUID } from 'node:crypto'
import { exportJWK, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import { type Clock, timestamp } from '#lib'
import { textAt } from '../api-object.ts'
import type { Store } from '../objects/store.ts'

/** Who presented a credential. */
export interface User {
  name: string
  uid?: string
  groups: readonly string[]
  extra?: Record<string, string[]>
}

export interface TokenSubject {
  namespace: string
  serviceAccount: { name: string; uid: string }
  /** The token lives no longer than this pod. */
  pod?: { name: string; uid: string }
  node?: { name: string; uid: string }
}

export interface IssuedToken {
  token: string
  /** RFC 3339. */
  expirationTimestamp: string
}

/**
 * Tokens of service accounts as a relying party such as Microsoft Entra ID sees them: JWTs signed with RS256, the keys at
 * `/openid/v1/jwks`. https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
 */
export interface ServiceAccountTokens {
  readonly issuer: string
  issue(subject: TokenSubject, audiences: readonly string[], expirationSeconds: number): Promise<IssuedToken>
  /**
   * The account that a token stands for; undefined when it is not valid or what it is bound to is gone.
   *
   * @param audience default: this API server
   */
  verify(token: string, audience?: string): Promise<User | undefined>
  /** The discovery document of OpenID Connect. */
  discovery(): object
  jwks(): Promise<object>
}

export interface TokenOptions {
  issuer: string
  /** PEM. */
  key: string
  store: Store
  clock: Clock
}

export function createServiceAccountTokens({ issuer, key, store, clock }: TokenOptions): ServiceAccountTokens {
  const privateKey = createPrivateKey(key)
  const publicKey = createPublicKey(privateKey)
  const kid = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url')

  function boundObjectsExist(payload: JWTPayload): boolean {
    const claims = payload['kubernetes.io']
    const namespace = textAt(claims, 'namespace')
    const exists = (claim: string, resource: string) => {
      const name = textAt(claims, claim, 'name')
      return store.get(resource, namespace, name)?.metadata.uid === textAt(claims, claim, 'uid')
    }
    return (
      exists('serviceaccount', 'serviceaccounts') && (textAt(claims, 'pod', 'name') === '' || exists('pod', 'pods'))
    )
  }

  return {
    issuer,
    async issue({ namespace, serviceAccount, pod, node }, audiences, expirationSeconds) {
      const issuedAt = Math.floor(clock.now() / 1000)
      const expires = issuedAt + expirationSeconds
      const claims = {
        namespace,
        ...(node === undefined ? {} : { node }),
        ...(pod === undefined ? {} : { pod }),
        serviceaccount: serviceAccount,
      }
      const token = await new SignJWT({ 'kubernetes.io': claims })
        .setProtectedHeader({ alg: 'RS256', kid })
        .setIssuer(issuer)
        .setSubject(`system:serviceaccount:${namespace}:${serviceAccount.name}`)
        .setAudience([...audiences])
        .setIssuedAt(issuedAt)
        .setNotBefore(issuedAt)
        .setExpirationTime(expires)
        .setJti(randomUUID())
        .sign(privateKey)
      return { token, expirationTimestamp: timestamp(expires * 1000) }
    },
    async verify(token, audience = issuer) {
      const currentDate = new Date(clock.now())
      const verified = await jwtVerify(token, publicKey, {
        issuer,
        audience,
        algorithms: ['RS256'],
        currentDate,
      }).catch(() => undefined)
      if (verified === undefined || !boundObjectsExist(verified.payload)) return undefined
      return userOf(verified.payload)
    },
    discovery: () => ({
      issuer,
      jwks_uri: `${issuer}/openid/v1/jwks`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
    }),
    jwks: async () => ({ keys: [{ use: 'sig', ...(await exportJWK(publicKey)), kid, alg: 'RS256' }] }),
  }
}

function userOf({ sub = '', jti = '', 'kubernetes.io': claims }: JWTPayload): User {
  const namespace = textAt(claims, 'namespace')
  const pod = textAt(claims, 'pod', 'name')
  const node = textAt(claims, 'node', 'name')
  const prefix = 'authentication.kubernetes.io'
  return {
    name: sub,
    uid: textAt(claims, 'serviceaccount', 'uid'),
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
    extra: {
      [`${prefix}/credential-id`]: [`JTI=${jti}`],
      ...(node === '' ? {} : { [`${prefix}/node-name`]: [node] }),
      ...(pod === '' ? {} : { [`${prefix}/pod-name`]: [pod], [`${prefix}/pod-uid`]: [textAt(claims, 'pod', 'uid')] }),
    },
  }
}
