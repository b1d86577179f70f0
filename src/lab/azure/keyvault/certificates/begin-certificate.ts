import { randomUUID } from 'node:crypto'
import type { Clock } from '#lib'
import { jwkOf } from '../keys/make-key.ts'
import type { CertificateStores } from './certificate-kind.ts'
import { issueSelfSigned, makeRequest } from './issue.ts'
import type { PendingCertificate, PendingCertificates } from './pending-certificates.ts'
import type { CertificatePolicy } from './policy.ts'
import { newVersion, nextCertificateKey, prepareCertificate } from './prepare-certificate.ts'

export interface WantedCertificate {
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
 * Begins a certificate, and gives it as it is then: in progress. A self-signed one is there when somebody looks again, as in
 * Azure; any other waits for whoever signs its request.
 */
export async function beginCertificate(
  { stores, pending, clock }: BeginOptions,
  wanted: WantedCertificate,
): Promise<PendingCertificate> {
  const { policy } = wanted
  const key = await nextCertificateKey(stores, wanted, policy)
  const begun: PendingCertificate = {
    ...wanted,
    version: newVersion(),
    csr: (await makeRequest(policy, key)).toString('base64'),
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
  const { changes } = await prepareCertificate(stores, wanted, { policy, key, chain, tags, enabled, version })
  stores.certificates.commit([...changes, pending.put({ ...begun, status: 'completed' })])
  return begun
}
