import { createPrivateKey, type KeyObject, randomBytes, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import { SecretValue } from '#lib'
import { encodePem } from './pem.ts'

/**
 * Issues X.509 certificates: ECDSA P-256 with SHA-256, with the extensions that strict verifiers require (RFC 5280
 * section 4.2.1). The package behind it is loaded by the first call: few processes issue certificates, and rarely.
 */

/** An X.500 name: `CN=a, O=b`, or its parts in order when their values may hold any characters. */
export type X509Name = string | readonly Readonly<Record<string, readonly string[]>>[]

export interface Validity {
  notBefore: Date
  notAfter: Date
}

/** A certificate that signs others, with its private key. */
export interface Authority {
  /** PEM. */
  certificate: string
  key: webcrypto.CryptoKey
}

export interface IssuedCertificate {
  /** PEM. */
  certificate: string
  /** PKCS #8 in PEM. */
  privateKey: SecretValue
}

export interface AuthoritySpec extends Validity {
  name: X509Name
  /** DNS names or IP addresses. Default: none. */
  alternativeNames?: readonly string[] | undefined
}

export interface CertificateSpec extends Validity {
  subject: X509Name
  /** What the owner proves with it. */
  usage: 'server' | 'client'
  /** DNS names or IP addresses. Default: none. */
  alternativeNames?: readonly string[] | undefined
  /** Default: a new pair. */
  keys?: webcrypto.CryptoKeyPair | undefined
}

const { subtle } = webcrypto
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

export function newCertificateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return subtle.generateKey(algorithm, true, ['sign', 'verify'])
}

/** A new authority that signs leaf certificates only. Its key exists in memory; {@link exportPrivateKey} writes it down. */
export async function createAuthority({ name, alternativeNames, ...validity }: AuthoritySpec): Promise<Authority> {
  const x509 = await loadX509()
  const keys = await newCertificateKeys()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...datesOf(validity),
    serialNumber: certificateSerialNumber(),
    name: nameOf(name),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ...alternativesOf(x509, alternativeNames),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { certificate: pemOf(certificate.rawData), key: keys.privateKey }
}

/** A certificate for a server or a client, signed by `authority`. */
export async function issueCertificate(authority: Authority, spec: CertificateSpec): Promise<IssuedCertificate> {
  const x509 = await loadX509()
  const { subject, usage, alternativeNames, keys = await newCertificateKeys(), ...validity } = spec
  const signer = new x509.X509Certificate(authority.certificate)
  const certificate = await x509.X509CertificateGenerator.create({
    ...datesOf(validity),
    serialNumber: certificateSerialNumber(),
    issuer: signer.subject,
    subject: nameOf(subject),
    publicKey: keys.publicKey,
    signingKey: authority.key,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        usage === 'server' ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth,
      ]),
      ...alternativesOf(x509, alternativeNames),
      await x509.AuthorityKeyIdentifierExtension.create(signer),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { certificate: pemOf(certificate.rawData), privateKey: await exportPrivateKey(keys.privateKey) }
}

/** PKCS #8 in PEM. */
export async function exportPrivateKey(key: webcrypto.CryptoKey): Promise<SecretValue> {
  const der = new Uint8Array(await subtle.exportKey('pkcs8', key))
  return SecretValue.of(encodePem({ label: 'PRIVATE KEY', der }))
}

/** The key of an {@link Authority} that {@link exportPrivateKey} has written: PEM, or what was parsed of it. */
export function importSigningKey(key: string | KeyObject): webcrypto.CryptoKey {
  const parsed = typeof key === 'string' ? createPrivateKey(key) : key
  return parsed.toCryptoKey(algorithm, false, ['sign'])
}

/** 16 random bytes in hexadecimal digits, positive as RFC 5280 section 4.1.2.2 requires. */
export function certificateSerialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes.toString('hex')
}

async function loadX509() {
  await import('reflect-metadata')
  return import('@peculiar/x509')
}

type X509 = Awaited<ReturnType<typeof loadX509>>

function datesOf({ notBefore, notAfter }: Validity): Validity {
  return { notBefore, notAfter }
}

function nameOf(name: X509Name): string | Record<string, string[]>[] {
  if (typeof name === 'string') return name
  return name.map((part) => Object.fromEntries(Object.entries(part).map(([key, values]) => [key, [...values]])))
}

function alternativesOf(x509: X509, names: readonly string[] = []) {
  if (names.length === 0) return []
  return [
    new x509.SubjectAlternativeNameExtension(
      names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
    ),
  ]
}

function pemOf(der: ArrayBuffer): string {
  return encodePem({ label: 'CERTIFICATE', der: new Uint8Array(der) })
}
