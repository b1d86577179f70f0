import { createHmac, randomBytes } from 'node:crypto'
import type { ServiceAccountToken } from './service-account-token.ts'
import { type Credential, keyOf } from './ways/index.ts'
import type { Keying, Proof } from './ways/way.ts'

export interface IdentityKey {
  /**
   * Names the identity that a credential proves, for caches: two credentials have the same key only if the holder of the one
   * may see everything that the holder of the other may see.
   */
  key: string
  proof: Proof
}

export type IdentityKeys = (credential: Credential) => Promise<IdentityKey>

export interface IdentityKeysOptions {
  /** Whether this token was signed by the cluster and is valid now. Default: never, so no two tokens share. */
  verify?: ((token: ServiceAccountToken) => Promise<boolean>) | undefined
}

export function createIdentityKeys({ verify = async () => false }: IdentityKeysOptions = {}): IdentityKeys {
  const salt = randomBytes(32)
  const fingerprint: Keying['fingerprint'] = (...proofs) => {
    const hash = createHmac('sha256', salt)
    for (const proof of proofs) hash.update(`${proof?.size ?? -1}:`).update(proof?.reveal() ?? '')
    return hash.digest('base64url')
  }
  return async (credential) => {
    const { parts, proof } = await keyOf(credential, { fingerprint, verify })
    return { key: JSON.stringify([credential.kind, ...parts]), proof }
  }
}
