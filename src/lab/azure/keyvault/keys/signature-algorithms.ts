import type { JsonWebKey } from 'node:crypto'
import { ecSign, ecVerify } from './ec-cryptography.ts'
import type { Curve } from './generate-key.ts'
import type { Key } from './key-kind.ts'
import type { HashName } from './pss.ts'
import { rsaSign, rsaVerify } from './rsa-cryptography.ts'

export interface SignatureScheme {
  /** Length of the digest that is signed. */
  digestBytes: number
  /** True when the key is of the right type and curve. */
  fits(key: Key): boolean
  sign(jwk: JsonWebKey, digest: Buffer): Buffer
  verify(jwk: JsonWebKey, digest: Buffer, signature: Buffer): boolean
}

/** The signature algorithms of Key Vault. https://learn.microsoft.com/azure/key-vault/keys/about-keys-details#signverify */
export const signatureAlgorithms = {
  RS256: rsa('RS', 'sha256'),
  RS384: rsa('RS', 'sha384'),
  RS512: rsa('RS', 'sha512'),
  PS256: rsa('PS', 'sha256'),
  PS384: rsa('PS', 'sha384'),
  PS512: rsa('PS', 'sha512'),
  ES256: ec('P-256', 32),
  ES256K: ec('P-256K', 32),
  ES384: ec('P-384', 48),
  ES512: ec('P-521', 64),
} as const
export type SignatureAlgorithm = keyof typeof signatureAlgorithms

function rsa(padding: 'RS' | 'PS', hash: HashName): SignatureScheme {
  return {
    digestBytes: { sha256: 32, sha384: 48, sha512: 64 }[hash],
    fits: ({ kty }) => kty.startsWith('RSA'),
    sign: (jwk, digest) => rsaSign(jwk, padding, hash, digest),
    verify: (jwk, digest, signature) => rsaVerify(jwk, padding, hash, digest, signature),
  }
}

function ec(curve: Curve, digestBytes: number): SignatureScheme {
  return {
    digestBytes,
    fits: ({ jwk }) => jwk.crv === curve,
    sign: (jwk, digest) => ecSign(jwk, curve, digest),
    verify: (jwk, digest, signature) => ecVerify(jwk, curve, digest, signature),
  }
}
