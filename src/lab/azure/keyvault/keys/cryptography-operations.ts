import { z } from 'zod'
import type { Clock } from '#lib'
import { Refusal } from '../../http/refusal.ts'
import { permissionsOn } from '../authorize.ts'
import { badParameter } from '../error-response.ts'
import { type ObjectKind, refuseDisabled, versionOf } from '../object-kind.ts'
import type { ObjectVersion } from '../object-store.ts'
import { type VaultAnswer, type VaultCall, type VaultOperation, vaultOperation } from '../operation.ts'
import { bodyParser } from '../validate.ts'
import type { Key } from './key-kind.ts'
import { rsaDecrypt, rsaEncrypt, rsaEncryptions } from './rsa-cryptography.ts'
import { type SignatureAlgorithm, type SignatureScheme, signatureAlgorithms } from './signature-algorithms.ts'

const needs = permissionsOn('keys')

export interface CryptographyOptions {
  kind: ObjectKind<Key>
  clock: Clock
}

const bytes = z.base64url().transform((text) => Buffer.from(text, 'base64url'))
const encryption = z.enum(rsaEncryptions)
const signature = z.enum(Object.keys(signatureAlgorithms) as [SignatureAlgorithm, ...SignatureAlgorithm[]])

const parseCipher = bodyParser(z.object({ alg: encryption, value: bytes }))
const parseSign = bodyParser(z.object({ alg: signature, value: bytes }))
const parseVerify = bodyParser(z.object({ alg: signature, digest: bytes, value: bytes }))

/** Cryptography with keys, whose private part never leaves the vault. https://learn.microsoft.com/rest/api/keyvault/keys/sign */
export function cryptographyOperations(options: CryptographyOptions): VaultOperation[] {
  return withoutVersion([
    cipherOperation(options, 'encrypt', 'encrypt', rsaEncrypt),
    cipherOperation(options, 'decrypt', 'decrypt', rsaDecrypt),
    cipherOperation(options, 'wrapKey', 'wrap', rsaEncrypt),
    cipherOperation(options, 'unwrapKey', 'unwrap', rsaDecrypt),
    vaultOperation('vault.key.sign', 'POST', '/keys/:name/:version/sign', needs('sign', 'sign/action'), (call) =>
      sign(options, call),
    ),
    vaultOperation(
      'vault.key.verify',
      'POST',
      '/keys/:name/:version/verify',
      needs('verify', 'verify/action'),
      (call) => verify(options, call),
    ),
  ])
}

/** Adds the same operations on the latest version, without a version in the path: the SDK for Go sends these. */
function withoutVersion(operations: readonly VaultOperation[]): VaultOperation[] {
  return operations.flatMap((each) => [each, { ...each, path: each.path.replace('/:version', '') }])
}

function cipherOperation(
  options: CryptographyOptions,
  word: 'encrypt' | 'decrypt' | 'wrapKey' | 'unwrapKey',
  action: string,
  cipher: typeof rsaEncrypt,
): VaultOperation {
  return {
    operation: `vault.key.${word}`,
    method: 'POST',
    path: `/keys/:name/:version/${word.toLowerCase()}`,
    permission: needs(word.toLowerCase(), `${action}/action`),
    async run(call) {
      const { alg, value } = parseCipher(await call.body())
      const version = usableVersion(options, call, word)
      const { jwk, kty } = version.payload
      if (!kty.startsWith('RSA')) throw wrongAlgorithm(alg, kty)
      return resultOf(call, version, cipher(jwk, alg, value))
    },
  }
}

async function sign(options: CryptographyOptions, call: VaultCall): Promise<VaultAnswer> {
  const { alg, value: digest } = parseSign(await call.body())
  const version = usableVersion(options, call, 'sign')
  const scheme = schemeFor(version.payload, alg, digest)
  return resultOf(call, version, scheme.sign(version.payload.jwk, digest))
}

async function verify(options: CryptographyOptions, call: VaultCall): Promise<VaultAnswer> {
  const { alg, digest, value } = parseVerify(await call.body())
  const { payload } = usableVersion(options, call, 'verify')
  return { body: { value: schemeFor(payload, alg, digest).verify(payload.jwk, digest, value) } }
}

/** The version in the path, if it permits `operation` now. */
function usableVersion({ kind, clock }: CryptographyOptions, call: VaultCall, operation: string): ObjectVersion<Key> {
  const version = versionOf(kind, call)
  refuseDisabled(kind, version, operation)
  refuseOutsideValidity(version, operation, clock.now() / 1000)
  if (version.payload.operations.some((allowed) => allowed === operation)) return version
  throw new Refusal(403, 'Forbidden', `Operation ${operation} is not permitted on this key.`, {
    innerCode: 'KeyOperationForbidden',
  })
}

/** Secrets can be read outside of their validity; keys cannot be used. */
function refuseOutsideValidity({ nbf, exp }: ObjectVersion<Key>, operation: string, now: number): void {
  // What was encrypted or signed earlier can still be decrypted and verified.
  if (['decrypt', 'unwrapKey', 'verify'].includes(operation)) return
  const reason = nbf !== undefined && now < nbf ? 'KeyNotYetValid' : exp !== undefined && now >= exp ? 'KeyExpired' : ''
  if (reason === '') return
  const text = reason === 'KeyExpired' ? 'an expired key' : 'a key that is not yet valid'
  throw new Refusal(403, 'Forbidden', `Operation ${operation} is not allowed on ${text}.`, { innerCode: reason })
}

/** The scheme of that name, if it fits the key and the digest. */
function schemeFor(key: Key, name: SignatureAlgorithm, digest: Buffer): SignatureScheme {
  const scheme = signatureAlgorithms[name]
  const { kty, jwk } = key
  if (!scheme.fits(key)) throw wrongAlgorithm(name, jwk.crv === undefined ? kty : `${kty} ${jwk.crv}`)
  if (digest.length === scheme.digestBytes) return scheme
  throw badParameter(`The digest has ${digest.length} bytes, and ${name} expects ${scheme.digestBytes}.`)
}

function wrongAlgorithm(algorithm: string, key: string): Refusal {
  return badParameter(
    `Key and signing or encryption algorithm are incompatible: found ${algorithm}, the key is ${key}.`,
  )
}

function resultOf({ url }: VaultCall, { name, version }: ObjectVersion<Key>, value: Buffer): VaultAnswer {
  return { body: { kid: `${url.origin}/keys/${name}/${version}`, value: value.toString('base64url') } }
}
