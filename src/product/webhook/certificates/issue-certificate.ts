import { randomBytes, webcrypto } from 'node:crypto'
import { SecretValue } from '#lib'
import { encodePem } from '#lib/formats'
import type { ServingCertificate } from './serving-certificate.ts'

const { subtle } = webcrypto
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const hour = 3600 * 1000
const year = 365 * 24 * hour

export interface IssueOptions {
  /** DNS name that clients ask for. */
  host: string
  /** Milliseconds since the epoch. */
  now: number
}

/**
 * A certificate for the webhook with an authority of its own, both valid for a year. The authority signs this once and its
 * key is forgotten: nobody can ever sign with it again, and a new certificate means a new authority, which clients trust
 * beside the old one while both are in use.
 */
export async function issueCertificate({ host, now }: IssueOptions): Promise<ServingCertificate> {
  // Loaded only by the replica that issues, about once in nine months: it would cost every replica memory all the time.
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  const validity = { notBefore: new Date(now - hour), notAfter: new Date(now + year) }
  const authorityName = [{ CN: ['azure-workload-identity-ca'] }, { O: ['azure-workload-identity'] }]
  const [authorityKeys, keys] = await Promise.all([newKeys(), newKeys()])
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity,
    serialNumber: serialNumber(),
    name: authorityName,
    keys: authorityKeys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'azure-workload-identity-ca' }]),
      await x509.SubjectKeyIdentifierExtension.create(authorityKeys.publicKey),
    ],
  })
  const certificate = await x509.X509CertificateGenerator.create({
    ...validity,
    serialNumber: serialNumber(),
    issuer: authority.subject,
    // A common name holds 64 characters; clients look at the alternative name.
    subject: [{ CN: [host.slice(0, 64)] }],
    publicKey: keys.publicKey,
    signingKey: authorityKeys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: host }]),
      await x509.AuthorityKeyIdentifierExtension.create(authorityKeys.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  const pkcs8 = new Uint8Array(await subtle.exportKey('pkcs8', keys.privateKey))
  return {
    ca: encodePem({ label: 'CERTIFICATE', der: new Uint8Array(authority.rawData) }),
    cert: encodePem({ label: 'CERTIFICATE', der: new Uint8Array(certificate.rawData) }),
    key: SecretValue.of(encodePem({ label: 'PRIVATE KEY', der: pkcs8 })),
  }
}

function newKeys() {
  return subtle.generateKey(algorithm, true, ['sign', 'verify'])
}

/** 16 bytes, positive: RFC 5280 section 4.1.2.2. */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes.toString('hex')
}
