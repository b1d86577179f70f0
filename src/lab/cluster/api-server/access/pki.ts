import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { networkAddresses } from '#lab/router'
import { makeDirectories, replaceFile } from '#lib/files'
import {
  type Authority,
  type CertificateSpec,
  createAuthority,
  exportPrivateKey,
  importSigningKey,
  issueCertificate,
  type Validity,
} from '#lib/formats'

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
  /** A client certificate names its user and the user's groups. */
  issueClient(user: string, groups: readonly string[]): Promise<KeyPair>
}

const dayMs = 86_400_000

/** The names, and the address, by which pods with networks of their own reach the API server. */
const serviceNames = [
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
  networkAddresses.apiServer,
]

/** Reads the CA and the service account key from `directory`, or creates them. Certificates of one year are issued at each start. */
export async function openPki(directory: string): Promise<Pki> {
  makeDirectories(directory, 0o700)
  const authority = await openAuthority(join(directory, 'ca.crt'), join(directory, 'ca.key'))
  return {
    ca: authority.certificate,
    serviceAccountKey: openServiceAccountKey(join(directory, 'service-account.key')),
    issueServer: (addresses) =>
      issue(authority, {
        subject: 'CN=kube-apiserver',
        usage: 'server',
        alternativeNames: [...new Set([...addresses, '127.0.0.1', 'localhost', ...serviceNames])],
      }),
    issueClient: (user, groups) =>
      issue(authority, { subject: [{ CN: [user] }, ...groups.map((group) => ({ O: [group] }))], usage: 'client' }),
  }
}

async function openAuthority(certificateFile: string, keyFile: string): Promise<Authority> {
  if (!existsSync(certificateFile)) {
    const created = await createAuthority({ name: 'CN=keymount-local-cluster', ...validity(3650) })
    replaceFile(keyFile, (await exportPrivateKey(created.key)).revealText())
    replaceFile(certificateFile, created.certificate)
  }
  return { certificate: readPem(certificateFile), key: importSigningKey(readPem(keyFile)) }
}

/** RS256, because every relying party of a cluster's tokens accepts it, Microsoft Entra ID among them. */
function openServiceAccountKey(file: string): string {
  if (!existsSync(file)) {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    replaceFile(file, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
  }
  return readPem(file)
}

async function issue(authority: Authority, spec: Omit<CertificateSpec, keyof Validity>): Promise<KeyPair> {
  const { certificate, privateKey } = await issueCertificate(authority, { ...spec, ...validity(365) })
  return { certificate, privateKey: privateKey.revealText() }
}

/** Begins a day early, for clients whose clock is behind. */
function validity(days: number): Validity {
  return { notBefore: new Date(Date.now() - dayMs), notAfter: new Date(Date.now() + days * dayMs) }
}

function readPem(path: string): string {
  const text = readFileSync(path, 'utf8')
  if (!text.includes('-----BEGIN ')) {
    throw new Error(`${path} is damaged: expected a PEM file. Move ${path} away to have a new one created`)
  }
  return text
}
