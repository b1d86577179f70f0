import 'reflect-metadata'
import { createPrivateKey, X509Certificate as NodeCertificate, randomBytes, webcrypto } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { errorMessage } from '#lib'

/** The lab's own authority: the one certificate that clients must trust to speak to the local Azure. */
export interface CertificateAuthority {
  /** File with the authority's certificate, for `NODE_EXTRA_CA_CERTS`, `SSL_CERT_FILE` and the like. */
  readonly caFile: string
  /** A certificate for one host name, with its key, as PEM. */
  issue(host: string): Promise<Leaf>
}

export interface Leaf {
  cert: string
  key: string
}

const { subtle } = webcrypto
// ECDSA P-256 because a leaf is made in about a millisecond, while a host's first client waits for it.
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const day = 24 * 3600 * 1000
const caDays = 3650
/** Certificates of servers that live longer are refused by some clients (Apple, for one). */
const leafDays = 397

/**
 * Loads the authority from `directory` (`ca.pem`, `ca-key.pem`) or makes and keeps a new one. Every process makes one
 * key for all its leaves. Throws, naming the file, when what is there cannot be read.
 */
export async function openCertificateAuthority(directory: string): Promise<CertificateAuthority> {
  const caFile = join(directory, 'ca.pem')
  const keyFile = join(directory, 'ca-key.pem')
  // The key is written first: a certificate without its key must never be handed out, since clients may trust it already.
  if (!existsSync(caFile)) await createAuthority(caFile, keyFile)
  const { certificate, key } = await loadAuthority(caFile, keyFile)
  const leafKeys = await subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const leafKeyPem = pem('PRIVATE KEY', await subtle.exportKey('pkcs8', leafKeys.privateKey))

  return {
    caFile,
    async issue(host) {
      const now = Date.now()
      const leaf = await X509CertificateGenerator.create({
        serialNumber: serialNumber(),
        issuer: certificate.subject,
        subject: [{ CN: [host.slice(0, 64)] }],
        notBefore: new Date(now - day),
        notAfter: new Date(now + (leafDays - 1) * day),
        publicKey: leafKeys.publicKey,
        signingKey: key,
        signingAlgorithm: algorithm,
        extensions: [
          new BasicConstraintsExtension(false, undefined, true),
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
          new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
          new SubjectAlternativeNameExtension([{ type: 'dns', value: host }]),
          await AuthorityKeyIdentifierExtension.create(certificate.publicKey),
          await SubjectKeyIdentifierExtension.create(leafKeys.publicKey),
        ],
      })
      return { cert: leaf.toString('pem'), key: leafKeyPem }
    },
  }
}

async function createAuthority(caFile: string, keyFile: string): Promise<void> {
  const keys = await subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const now = Date.now()
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: 'CN=Keymount local Azure, O=Keymount lab',
    notBefore: new Date(now - day),
    notAfter: new Date(now + caDays * day),
    keys,
    signingAlgorithm: algorithm,
    // Strict verifiers (Python 3.13) insist on a critical basicConstraints, on keyUsage and on key identifiers: RFC 5280 section 4.2.1.
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  writeAtomically(keyFile, pem('PRIVATE KEY', await subtle.exportKey('pkcs8', keys.privateKey)), 0o600)
  writeAtomically(caFile, `${certificate.toString('pem')}\n`, 0o644)
}

async function loadAuthority(caFile: string, keyFile: string) {
  try {
    const certificate = new X509Certificate(readFileSync(caFile, 'utf8'))
    const privateKey = createPrivateKey(readFileSync(keyFile, 'utf8'))
    if (!new NodeCertificate(certificate.toString('pem')).checkPrivateKey(privateKey)) {
      throw new Error('the key does not belong to the certificate')
    }
    const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
    const key = await subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign'])
    return { certificate, key }
  } catch (error) {
    throw new Error(
      `Cannot use the certificate authority in ${caFile} and ${keyFile}: ${errorMessage(error)}. Restore them, or remove both to make a new one (clients must then trust the new file)`,
      { cause: error },
    )
  }
}

/** 16 bytes, positive: RFC 5280 section 4.1.2.2. */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes.toString('hex')
}

function pem(label: string, der: ArrayBuffer): string {
  const base64 = Buffer.from(der).toString('base64')
  return `-----BEGIN ${label}-----\n${base64.replace(/(.{64})(?=.)/g, '$1\n')}\n-----END ${label}-----\n`
}

function writeAtomically(path: string, text: string, mode: number): void {
  writeFileSync(`${path}.next`, text, { mode })
  renameSync(`${path}.next`, path)
}
