import {
  constants,
  createPrivateKey,
  createPublicKey,
  type JsonWebKey,
  type KeyObject,
  privateDecrypt,
  privateEncrypt,
  publicDecrypt,
  publicEncrypt,
} from 'node:crypto'
import { badParameter } from '../error-response.ts'
import { encodePss, type HashName, isPss } from './pss.ts'

/** RSA with the paddings of Key Vault. https://www.rfc-editor.org/rfc/rfc7518#section-4 */
export const rsaEncryptions = ['RSA1_5', 'RSA-OAEP', 'RSA-OAEP-256'] as const
export type RsaEncryption = (typeof rsaEncryptions)[number]

const paddings: Record<RsaEncryption, { padding: number; oaepHash?: string | undefined }> = {
  RSA1_5: { padding: constants.RSA_PKCS1_PADDING },
  'RSA-OAEP': { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
  'RSA-OAEP-256': { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
}

export function rsaEncrypt(jwk: JsonWebKey, algorithm: RsaEncryption, plaintext: Buffer): Buffer {
  try {
    return publicEncrypt({ key: publicKeyOf(jwk), ...paddings[algorithm] }, plaintext)
  } catch {
    throw badParameter(`The value is too long to encrypt with this key and ${algorithm}.`)
  }
}

export function rsaDecrypt(jwk: JsonWebKey, algorithm: RsaEncryption, ciphertext: Buffer): Buffer {
  try {
    return privateDecrypt({ key: privateKeyOf(jwk), ...paddings[algorithm] }, ciphertext)
  } catch {
    // One text for every failure, so that it reveals nothing about the padding.
    throw badParameter('The parameter is incorrect: the value cannot be decrypted with this key and algorithm.')
  }
}

/** Signs a digest with RSASSA-PKCS1-v1_5 or RSASSA-PSS. https://www.rfc-editor.org/rfc/rfc8017#section-8 */
export function rsaSign(jwk: JsonWebKey, scheme: 'RS' | 'PS', hash: HashName, digest: Buffer): Buffer {
  const key = privateKeyOf(jwk)
  if (scheme === 'RS') return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, digestInfo(hash, digest))
  const { modulusLength = 0 } = key.asymmetricKeyDetails ?? {}
  return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, encodePss(digest, hash, modulusLength / 8))
}

export function rsaVerify(
  jwk: JsonWebKey,
  scheme: 'RS' | 'PS',
  hash: HashName,
  digest: Buffer,
  signature: Buffer,
): boolean {
  const key = publicKeyOf(jwk)
  try {
    if (scheme === 'RS') {
      const found = publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature)
      return found.equals(digestInfo(hash, digest))
    }
    const encoded = publicDecrypt({ key, padding: constants.RSA_NO_PADDING }, signature)
    return isPss(encoded, digest, hash)
  } catch {
    return false
  }
}

/** The DER of DigestInfo before the digest. https://www.rfc-editor.org/rfc/rfc8017#section-9.2 note 1 */
const digestInfoPrefixes: Record<HashName, string> = {
  sha256: '3031300d060960864801650304020105000420',
  sha384: '3041300d060960864801650304020205000430',
  sha512: '3051300d060960864801650304020305000440',
}

function digestInfo(hash: HashName, digest: Buffer): Buffer {
  return Buffer.concat([Buffer.from(digestInfoPrefixes[hash], 'hex'), digest])
}

function privateKeyOf(jwk: JsonWebKey): KeyObject {
  return createPrivateKey({ key: jwk, format: 'jwk' })
}

function publicKeyOf({ n = '', e = '' }: JsonWebKey): KeyObject {
  return createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' })
}
