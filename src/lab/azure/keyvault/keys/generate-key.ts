import { generateKeyPair, type JsonWebKey, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'

/** Curves by their names in JWK, with OpenSSL's names. The last: https://www.rfc-editor.org/rfc/rfc8812 */
export const curves = {
  'P-256': 'prime256v1',
  'P-384': 'secp384r1',
  'P-521': 'secp521r1',
  'P-256K': 'secp256k1',
} as const
export type Curve = keyof typeof curves

/** In bits. */
export const curveSizes: Readonly<Record<Curve, number>> = { 'P-256': 256, 'P-256K': 256, 'P-384': 384, 'P-521': 521 }

export const rsaSizes = [2048, 3072, 4096] as const

/** The operations of a key whose creator named none. */
export const keyOperationsByType = {
  RSA: ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'],
  EC: ['sign', 'verify'],
} as const

const generate = promisify(generateKeyPair)

export async function generateRsaKey(bits: number, publicExponent = 65_537): Promise<KeyObject> {
  const { privateKey } = await generate('rsa', { modulusLength: bits, publicExponent })
  return privateKey
}

export async function generateEcKey(curve: Curve): Promise<KeyObject> {
  const { privateKey } = await generate('ec', { namedCurve: curves[curve] })
  return privateKey
}

/** The JWK of a private key. Key Vault calls the curve secp256k1 `P-256K`. */
export function jwkOf(key: KeyObject): JsonWebKey {
  const jwk = key.export({ format: 'jwk' })
  return jwk.crv === 'secp256k1' ? { ...jwk, crv: 'P-256K' } : jwk
}
