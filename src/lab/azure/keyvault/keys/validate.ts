import { createPrivateKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { Refusal } from '../../http/refusal.ts'
import { badParameter, unsupportedKeySize } from '../error-response.ts'
import { bodyParser, commonFields } from '../validate.ts'
import { type Curve, curves, jwkOf, rsaSizes } from './generate-key.ts'
import { type KeyType, keyTypes } from './key-kind.ts'

const operations = z.array(z.enum(['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey', 'import', 'export']))

const createBody = z.object({
  ...commonFields,
  kty: z.enum(keyTypes),
  key_size: z.number().int().nullish(),
  crv: z.enum(Object.keys(curves) as [Curve, ...Curve[]]).nullish(),
  public_exponent: z.number().int().min(3).nullish(),
  key_ops: operations.nullish(),
})

const importBody = z.object({
  ...commonFields,
  key: z.looseObject({ kty: z.enum(keyTypes), key_ops: operations.nullish() }),
  Hsm: z.boolean().nullish(),
  hsm: z.boolean().nullish(),
})

/** Parses the body of a new key. Throws {@link Refusal}. */
export function parseCreateKey(body: unknown): z.output<typeof createBody> {
  const parsed = readCreateKey(body)
  const { kty, key_size: bits } = parsed
  const isRsa = kty.startsWith('RSA')
  if (isRsa && bits != null && !rsaSizes.some((size) => size === bits)) throw unsupportedKeySize(bits, rsaSizes)
  return parsed
}
const readCreateKey = bodyParser(createBody)
export const parseImportKey = bodyParser(importBody)
export const parseUpdateKey = bodyParser(z.object({ ...commonFields, key_ops: operations.nullish() }))

const releaseBody = z.looseObject({
  release_policy: z.unknown(),
  attributes: z.looseObject({ exportable: z.unknown() }).nullish(),
})

/** Refuses an exportable key instead of ignoring its release policy, since release is not implemented. Throws {@link Refusal} 501. */
export function refuseRelease(body: unknown): void {
  const { data } = releaseBody.safeParse(body)
  if (data?.release_policy == null && data?.attributes?.exportable !== true) return
  throw new Refusal(
    501,
    'NotImplemented',
    'The local Azure does not implement vault.key.release, nor keys with release_policy or attributes.exportable.',
  )
}

/** The private key of an imported JWK. Throws {@link Refusal} when it is not one; its members are never quoted. */
export function parsePrivateJwk(key: Record<string, unknown>, kty: KeyType): JsonWebKey {
  const crv = key.crv === 'P-256K' ? 'secp256k1' : key.crv
  const jwk = { ...key, crv, kty: kty.replace('-HSM', '') } as JsonWebKey
  const privateKey = readPrivateKey(jwk)
  const bits = privateKey.asymmetricKeyDetails?.modulusLength
  if (bits !== undefined && !rsaSizes.some((size) => size === bits)) {
    throw unsupportedKeySize(bits, rsaSizes)
  }
  return jwkOf(privateKey)
}

function readPrivateKey(jwk: JsonWebKey): KeyObject {
  try {
    return createPrivateKey({ key: jwk, format: 'jwk' })
  } catch {
    throw badParameter('Property has invalid value: key: found no complete private RSA or EC key')
  }
}
