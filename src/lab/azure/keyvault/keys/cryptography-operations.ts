import { z } from 'zod'
import type { Clock } from '#lib'
import { Refusal } from '../../http/refusal.ts'
import type { Permission } from '../authorize.ts'
import { badParameter } from '../error-response.ts'
import { type ObjectKind, refuseDisabled, versionOf } from '../object-kind.ts'
import type { ObjectVersion } from '../object-store.ts'
import type { VaultCall, VaultOperation } from '../operation.ts'
import { bodyParser } from '../validate.ts'
import type { Key } from './key-kind.ts'
import { rsaDecrypt, rsaEncrypt, rsaEncryptions } from './rsa-cryptography.ts'
import { type SignatureAlgorithm, type SignatureScheme, signatureAlgorithms } from './signature-algorithms.ts'

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

/** The use of keys: the private part works here, and never leaves. https://learn.microsoft.com/rest/api/keyvault/keys/sign */
export function cryptographyOperations({ kind, clock }: CryptographyOptions): VaultOperation[] {
  /** The version that the path names, if it may do `operation` now. */
  function usable(call: VaultCall, operation: string): ObjectVersion<Key> {
    const version = versionOf(kind, call)
    refuseDisabled(kind, version, operation)
    refuseOutOfTime(version, operation, clock.now() / 1000)
    if (version.payload.operations.some((allowed) => allowed === operation)) return version
    throw new Refusal(403, 'Forbidden', `Operation ${operation} is not permitted on this key.`, {
      innerCode: 'KeyOperationForbidden',
    })
  }

  const idOf = ({ url }: VaultCall, { name, version }: ObjectVersion<Key>) => `${url.origin}/keys/${name}/${version}`
  const result = (call: VaultCall, version: ObjectVersion<Key>, value: Buffer) => ({
    body: { kid: idOf(call, version), value: value.toString('base64url') },
  })

  function cipher(
    word: 'encrypt' | 'decrypt' | 'wrapKey' | 'unwrapKey',
    policy: string,
    work: typeof rsaEncrypt,
  ): VaultOperation {
    return {
      operation: `vault.key.${word}`,
      method: 'POST',
      path: `/keys/:name/:version/${word.toLowerCase()}`,
      permission: needs(word, policy),
      async run(call) {
        const { alg, value } = parseCipher(await call.body())
        const version = usable(call, word)
        const { jwk, kty } = version.payload
        if (!kty.startsWith('RSA')) throw wrongAlgorithm(alg, kty)
        return result(call, version, work(jwk, alg, value))
      },
    }
  }

  return withoutVersion([
    cipher('encrypt', 'encrypt', rsaEncrypt),
    cipher('decrypt', 'decrypt', rsaDecrypt),
    cipher('wrapKey', 'wrap', rsaEncrypt),
    cipher('unwrapKey', 'unwrap', rsaDecrypt),
    {
      operation: 'vault.key.sign',
      method: 'POST',
      path: '/keys/:name/:version/sign',
      permission: needs('sign', 'sign'),
      async run(call) {
        const { alg, value: digest } = parseSign(await call.body())
        const version = usable(call, 'sign')
        const scheme = schemeFor(version.payload, alg, digest)
        return result(call, version, scheme.sign(version.payload.jwk, digest))
      },
    },
    {
      operation: 'vault.key.verify',
      method: 'POST',
      path: '/keys/:name/:version/verify',
      permission: needs('verify', 'verify'),
      async run(call) {
        const { alg, digest, value } = parseVerify(await call.body())
        const { payload } = usable(call, 'verify')
        return { body: { value: schemeFor(payload, alg, digest).verify(payload.jwk, digest, value) } }
      },
    },
  ])
}

/** The same operations on the latest version too, when the path names none: so the SDK for Go asks. */
function withoutVersion(operations: readonly VaultOperation[]): VaultOperation[] {
  return operations.flatMap((each) => [each, { ...each, path: each.path.replace('/:version', '') }])
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

/** Unlike secrets, keys do nothing before their first and after their last moment. */
function refuseOutOfTime({ nbf, exp }: ObjectVersion<Key>, operation: string, now: number): void {
  // What was encrypted or signed once can still be opened and checked.
  if (['decrypt', 'unwrapKey', 'verify'].includes(operation)) return
  const reason = nbf !== undefined && now < nbf ? 'KeyNotYetValid' : exp !== undefined && now >= exp ? 'KeyExpired' : ''
  if (reason === '') return
  const text = reason === 'KeyExpired' ? 'an expired key' : 'a key that is not yet valid'
  throw new Refusal(403, 'Forbidden', `Operation ${operation} is not allowed on ${text}.`, { innerCode: reason })
}

function needs(policy: string, action: string): Permission {
  return { kind: 'keys', policy: policy.toLowerCase(), dataAction: `keys/${action}/action` }
}
