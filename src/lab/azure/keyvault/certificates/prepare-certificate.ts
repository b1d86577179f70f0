import { createPrivateKey, type KeyObject, randomBytes, X509Certificate } from 'node:crypto'
import { generateEcKey, generateRsaKey, jwkOf, keyOperationsByType } from '../keys/generate-key.ts'
import type { Prepared } from '../object-store.ts'
import type { Certificate, CertificateStores } from './certificate-kind.ts'
import { type CertificatePolicy, pfxType } from './policy.ts'
import { writePfx } from './write-pfx.ts'

/** A certificate that was issued, here or elsewhere, with its key. */
export interface IssuedCertificate {
  policy: CertificatePolicy
  key: KeyObject
  /** DER, leaf first. */
  chain: readonly Buffer[]
  tags: Record<string, string> | undefined
  enabled: boolean | undefined
  /** 32 hexadecimal digits. Default: random. */
  version?: string | undefined
}

/** The certificate, its key and its secret: three objects with one name and version, for one commit. */
export async function prepareCertificate(
  { certificates, keys, secrets }: CertificateStores,
  { vault, name }: { vault: string; name: string },
  { policy, key, chain, tags, enabled, version = newVersion() }: IssuedCertificate,
): Promise<Prepared<Certificate>> {
  const [leaf] = chain
  if (leaf === undefined) throw new Error('the chain is empty')
  const { validFrom, validTo } = new X509Certificate(leaf)
  const shared = { tags, enabled, nbf: epochSeconds(validFrom), exp: epochSeconds(validTo) }
  const payload = { cer: leaf.toString('base64'), policy }
  const certificate = certificates.add(vault, name, { ...shared, payload }, version)
  const { kty } = policy.key_props
  const keyPayload = { kty, jwk: jwkOf(key), operations: keyOperationsByType[kty], managed: true as const }
  const { contentType } = policy.secret_props
  const secretPayload = { value: await secretValue(policy, key, chain), contentType, managed: true as const }
  return {
    version: certificate.version,
    changes: [
      ...certificate.changes,
      ...keys.add(vault, name, { ...shared, payload: keyPayload }, version).changes,
      ...secrets.add(vault, name, { ...shared, payload: secretPayload }, version).changes,
    ],
  }
}

export function newVersion(): string {
  return randomBytes(16).toString('hex')
}

/** The key of the next version: a new one that follows the policy, or the last one if the policy reuses keys and it fits. */
export async function nextCertificateKey(
  { keys }: CertificateStores,
  { vault, name }: { vault: string; name: string },
  { key_props: { kty, key_size, crv, reuse_key: isReused } }: CertificatePolicy,
): Promise<KeyObject> {
  const last = keys.get(vault, name)?.versions.at(-1)?.payload
  const isSame = kty === 'EC' ? last?.jwk.crv === crv : rsaBits(last?.jwk.n) === key_size
  if (isReused && last?.kty === kty && isSame) return createPrivateKey({ key: last.jwk, format: 'jwk' })
  return kty === 'EC' ? generateEcKey(crv ?? 'P-256') : generateRsaKey(key_size)
}

function rsaBits(modulus = ''): number {
  return Buffer.from(modulus, 'base64url').length * 8
}

/** The value of a certificate's secret: the private key if it is exportable, and the whole chain. */
async function secretValue(
  { key_props: { exportable }, secret_props: { contentType } }: CertificatePolicy,
  key: KeyObject,
  chain: readonly Buffer[],
): Promise<string> {
  if (contentType === pfxType) return (await writePfx(exportable ? key : undefined, chain)).toString('base64')
  const privateKey = exportable ? [String(key.export({ format: 'pem', type: 'pkcs8' }))] : []
  return [...privateKey, ...chain.map((der) => new X509Certificate(der).toString())].join('')
}

function epochSeconds(date: string): number {
  return Math.floor(Date.parse(date) / 1000)
}
