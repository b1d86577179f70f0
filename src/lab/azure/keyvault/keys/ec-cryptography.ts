import type { JsonWebKey } from 'node:crypto'
import { p256, p384, p521 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import type { Curve } from './generate-key.ts'

// node:crypto hashes what it signs, but clients of Key Vault send the digest.
const curves = { 'P-256': p256, 'P-384': p384, 'P-521': p521, 'P-256K': secp256k1 } as const satisfies Record<
  Curve,
  unknown
>

/** Key Vault does not normalize signatures to the lower of the two valid values of s, and accepts both. */
const options = { prehash: false, lowS: false } as const

/** The signature of a digest: r followed by s, as in JWS. https://www.rfc-editor.org/rfc/rfc7518#section-3.4 */
export function ecSign({ d = '' }: JsonWebKey, curve: Curve, digest: Buffer): Buffer {
  return Buffer.from(curves[curve].sign(digest, Buffer.from(d, 'base64url'), options))
}

export function ecVerify({ x = '', y = '' }: JsonWebKey, curve: Curve, digest: Buffer, signature: Buffer): boolean {
  const point = Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')])
  try {
    return curves[curve].verify(signature, digest, point, options)
  } catch {
    return false
  }
}
