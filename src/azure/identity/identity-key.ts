import { createHmac, randomBytes } from 'node:crypto'
import type { SecretValue } from '#lib'
import type { Credential } from './credential.ts'
import type { ServiceAccountToken } from './service-account-token.ts'

/**
 * Names the identity that a credential proves, for caches: two credentials have the same key only if whoever holds the one
 * may see everything that the other may see.
 *
 * A service account token is a claim until somebody verified it. A pod's author may be able to put a forged one into the
 * volume's attributes, and a cache that believed its subject would hand over another pod's secrets. So pods of one service
 * account share only when `verify` vouches for the token's signature and time; otherwise each token stands for itself.
 */
export type IdentityKeys = (credential: Credential) => Promise<string>

export interface IdentityKeysOptions {
  /** Whether this token was signed by the cluster and is valid now. Default: nobody can tell. */
  verify?: (token: ServiceAccountToken) => Promise<boolean>
}

export function createIdentityKeys({ verify = async () => false }: IdentityKeysOptions = {}): IdentityKeys {
  // Fingerprints of proofs are keyed with a secret of this process, so that a key says nothing to whoever might see it.
  const salt = randomBytes(32)
  const fingerprint = (...proofs: (SecretValue | undefined)[]): string => {
    const hash = createHmac('sha256', salt)
    for (const proof of proofs) hash.update(`${proof?.size ?? -1}:`).update(proof?.reveal() ?? '')
    return hash.digest('base64url')
  }

  return async (credential) => {
    const { kind, tenantId } = credential
    switch (credential.kind) {
      case 'workload':
      case 'identity-binding': {
        const { token, claims } = credential.assertion
        const proof = (await verify(credential.assertion)) ? 'verified' : fingerprint(token)
        const { issuer, subject, audiences } = claims
        return JSON.stringify([kind, tenantId, credential.clientId, issuer, subject, [...audiences].sort(), proof])
      }
      case 'service-principal': {
        const { proof, clientId } = credential
        const print =
          proof.kind === 'secret' ? fingerprint(proof.secret) : fingerprint(proof.certificate, proof.password)
        return JSON.stringify([kind, tenantId, clientId, proof.kind, print])
      }
      case 'managed':
        return JSON.stringify([kind, credential.clientId ?? ''])
      case 'pod-identity':
        return JSON.stringify([kind, credential.podNamespace, credential.podName])
      default:
        throw new Error(`unknown credential ${JSON.stringify(credential satisfies never)}`)
    }
  }
}
