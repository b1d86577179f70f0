import 'reflect-metadata'
import { type KeyObject, webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { certificateSerialNumber } from '#lib/formats'
import { Refusal } from '../../http/refusal.ts'
import { badParameter } from '../error-response.ts'
import type { CertificatePolicy } from './policy.ts'

const { subtle } = webcrypto

/** Key Vault backdates certificates by ten minutes for clients whose clocks are slow. */
const backdateMs = 10 * 60 * 1000

/** A certificate request that follows the policy, DER. Throws {@link Refusal} for a subject that is not an X.500 name. */
export async function createRequest(policy: CertificatePolicy, key: KeyObject): Promise<Buffer> {
  const { algorithm, keys } = await importPair(policy, key)
  const { subject } = policy.x509_props
  return withSubject(subject, async () => {
    const extensions = extensionsOf(policy)
    const signing = { name: subject, keys, signingAlgorithm: algorithm, extensions }
    return Buffer.from((await Pkcs10CertificateRequestGenerator.create(signing)).rawData)
  })
}

/** A self-signed certificate that follows the policy, DER. Throws {@link Refusal} for a subject that is not an X.500 name. */
export async function issueSelfSigned(policy: CertificatePolicy, key: KeyObject, now: number): Promise<Buffer> {
  const { subject, validity_months: months } = policy.x509_props
  const { algorithm, keys } = await importPair(policy, key)
  const notAfter = new Date(now)
  notAfter.setUTCMonth(notAfter.getUTCMonth() + months)
  return withSubject(subject, async () => {
    const certificate = await X509CertificateGenerator.createSelfSigned({
      serialNumber: certificateSerialNumber(),
      name: subject,
      notBefore: new Date(now - backdateMs),
      notAfter,
      keys,
      signingAlgorithm: algorithm,
      extensions: [...extensionsOf(policy), await SubjectKeyIdentifierExtension.create(keys.publicKey)],
    })
    return Buffer.from(certificate.rawData)
  })
}

function extensionsOf(policy: CertificatePolicy) {
  const { ekus, key_usage: usages } = policy.x509_props
  const names = alternativeNames(policy)
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(
      usages.reduce((flags, usage) => flags | KeyUsageFlags[usage], 0),
      true,
    ),
    ...(ekus.length === 0 ? [] : [new ExtendedKeyUsageExtension(ekus)]),
    ...(names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)]),
  ]
}

async function withSubject<T>(subject: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch {
    throw badParameter(
      `Property policy has invalid value: x509_props.subject: found "${subject}", expected an X.500 name such as CN=example.com`,
    )
  }
}

async function importPair({ key_props: { kty, crv } }: CertificatePolicy, key: KeyObject) {
  if (crv === 'P-256K') {
    throw new Refusal(501, 'NotImplemented', 'The local Azure does not implement certificates on the curve P-256K.')
  }
  const algorithm =
    kty === 'RSA'
      ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
      : {
          name: 'ECDSA',
          namedCurve: crv ?? 'P-256',
          hash: crv === 'P-521' ? 'SHA-512' : crv === 'P-384' ? 'SHA-384' : 'SHA-256',
        }
  const jwk = key.export({ format: 'jwk' }) as webcrypto.JsonWebKey
  const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...publicJwk } = jwk
  const privateKey = await subtle.importKey('jwk', jwk, algorithm, true, ['sign'])
  const publicKey = await subtle.importKey('jwk', publicJwk, algorithm, true, ['verify'])
  return { algorithm, keys: { privateKey, publicKey } }
}

function alternativeNames({ x509_props: { sans } }: CertificatePolicy): JsonGeneralName[] {
  const { dns_names: hosts = [], emails = [], upns = [] } = sans
  return [
    ...hosts.map((value) => ({ type: 'dns' as const, value })),
    ...emails.map((value) => ({ type: 'email' as const, value })),
    ...upns.map((value) => ({ type: 'upn' as const, value })),
  ]
}
