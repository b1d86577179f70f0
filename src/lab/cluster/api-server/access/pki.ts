import 'reflect-metadata'
import { createPrivateKey, generateKeyPairSync, randomBytes, webcrypto } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import * as x509 from '@peculiar/x509'
import { replaceFile } from '#lib/files'
import { encodePem } from '#lib/formats'

/** A certificate with its private key, both PEM. */
export interface KeyPair {
  certificate: string
  privateKey: string
}

/** Everything in the cluster that is signed is signed by one of these two keys. */
export interface Pki {
  /** PEM of the certificate authority that all clients trust. */
  ca: string
  /** PEM of the RSA key that signs service account tokens. */
  serviceAccountKey: string
  issueServer(addresses: readonly string[]): Promise<KeyPair>
  /** A client certificate says who the client is: user name and groups. */
  issueClient(user: string, groups: readonly string[]): Promise<KeyPair>
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const dayMs = 86_400_000

/** Reads the keys from `directory`, or makes them (once): the CA and the service account key. Certificates of one year are issued at each start. */
export async function openPki(directory: string): Promise<Pki> {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const caFiles = { certificate: join(directory, 'ca.crt'), privateKey: join(directory, 'ca.key') }
  const accountFile = join(directory, 'service-account.key')
  if (!existsSync(caFiles.certificate)) {
    const made = await makeCa()
    replaceFile(caFiles.privateKey, made.privateKey)
    replaceFile(caFiles.certificate, made.certificate)
  }
  // RS256, because every relying party of a cluster's tokens takes it, Microsoft Entra ID among them.
  if (!existsSync(accountFile)) {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    replaceFile(accountFile, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
  }
  const ca = readPem(caFiles.certificate)
  const signer = { certificate: new x509.X509Certificate(ca), key: await importKey(readPem(caFiles.privateKey)) }
  return {
    ca,
    serviceAccountKey: readPem(accountFile),
    issueServer: (addresses) =>
      issue(signer, 'CN=kube-apiserver', x509.ExtendedKeyUsage.serverAuth, [
        ...new Set([...addresses, '127.0.0.1', 'localhost', ...serviceNames]),
      ]),
    issueClient: (user, groups) =>
      issue(signer, [{ CN: [user] }, ...groups.map((group) => ({ O: [group] }))], x509.ExtendedKeyUsage.clientAuth, []),
  }
}

/** Names under which pods of a real cluster know the API server. */
const serviceNames = [
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
]

interface Signer {
  certificate: x509.X509Certificate
  key: webcrypto.CryptoKey
}

async function makeCa(): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=keymount-local-cluster',
    serialNumber: serialNumber(),
    ...validity(3650),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { certificate: certificate.toString('pem'), privateKey: await exportKey(keys.privateKey) }
}

async function issue(
  signer: Signer,
  subject: string | x509.JsonName,
  usage: x509.ExtendedKeyUsage,
  names: readonly string[],
): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const alternatives = names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value }))
  const certificate = await x509.X509CertificateGenerator.create({
    subject,
    issuer: signer.certificate.subject,
    serialNumber: serialNumber(),
    ...validity(365),
    publicKey: keys.publicKey,
    signingKey: signer.key,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([usage]),
      await x509.AuthorityKeyIdentifierExtension.create(signer.certificate),
      ...(alternatives.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(alternatives)]),
    ],
  })
  return { certificate: certificate.toString('pem'), privateKey: await exportKey(keys.privateKey) }
}

function validity(days: number) {
  // Begins earlier, for clients whose clock is behind.
  return { notBefore: new Date(Date.now() - dayMs), notAfter: new Date(Date.now() + days * dayMs) }
}

/** Positive, as RFC 5280 section 4.1.2.2 wants. */
function serialNumber(): string {
  return `01${randomBytes(15).toString('hex')}`
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return encodePem({ label: 'PRIVATE KEY', der: new Uint8Array(await webcrypto.subtle.exportKey('pkcs8', key)) })
}

function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' })
  return webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign'])
}

function readPem(path: string): string {
  const text = readFileSync(path, 'utf8')
  if (!text.includes('-----BEGIN ')) {
    throw new Error(`${path} is damaged: expected a PEM file. Move ${path} away to have a new one made`)
  }
  return text
}
