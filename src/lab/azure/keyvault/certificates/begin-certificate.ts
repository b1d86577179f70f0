import { randomUUID } from 'node:crypto'
import type { Clock } from '#lib'
import { jwkOf } from '../keys/generate-key.ts'
import type { CertificateStores } from './certificate-kind.ts'
import { createRequest, issueSelfSigned } from './issue.ts'
import type { PendingCertificate, PendingCertificates } from './pending-certificates.ts'
import type { CertificatePolicy } from './policy.ts'
import { newVersion, nextCertificateKey, prepareCertificate } from './prepare-certificate.ts'

export interface CertificateSpec {
  /** `uid` of the vault. */
  vault: string
  name: string
  policy: CertificatePolicy
  tags: Record<string, string> | undefined
  enabled: boolean | undefined
}

export interface BeginOptions {
  stores: CertificateStores
  pending: PendingCertificates
  clock: Clock
}

/**
 * Begins the creation of a certificate and returns its state: in progress. As in Azure, a self-signed certificate is
 * complete at the next read; any other waits until its signed request is merged.
 */
export async function beginCertificate(
  { stores, pending, clock }: BeginOptions,
  spec: CertificateSpec,
): Promise<PendingCertificate> {
  const { policy } = spec
  const key = await nextCertificateKey(stores, spec, policy)
  const begun: PendingCertificate = {
    ...spec,
    version: newVersion(),
    csr: (await createRequest(policy, key)).toString('base64'),
    created: Math.floor(clock.now() / 1000),
    status: 'inProgress',
    requestId: randomUUID().replaceAll('-', ''),
  }
  if (policy.issuer.name !== 'Self') {
    const waiting = { ...begun, jwk: jwkOf(key) }
    stores.certificates.commit([pending.put(waiting)])
    return waiting
  }
  const chain = [await issueSelfSigned(policy, key, clock.now())]
  const { version, tags, enabled } = begun
  const { changes } = await prepareCertificate(stores, spec, { policy, key, chain, tags, enabled, version })
  stores.certificates.commit([...changes, pending.put({ ...begun, status: 'completed' })])
  return begun
}
