import type { ObjectVersion, Prepared } from '../object-store.ts'
import type { Certificate, CertificateStores } from './certificate-kind.ts'
import { issueSelfSigned } from './issue.ts'
import { nextCertificateKey, prepareCertificate } from './prepare-certificate.ts'

/** The next version of a self-signed certificate, with the same key if the policy reuses keys. */
export async function renewed(
  stores: CertificateStores,
  { vault, name, tags, payload: { policy } }: ObjectVersion<Certificate>,
  nowMs: number,
): Promise<Prepared<Certificate>> {
  const key = await nextCertificateKey(stores, { vault, name }, policy)
  const chain = [await issueSelfSigned(policy, key, nowMs)]
  return prepareCertificate(stores, { vault, name }, { policy, key, chain, tags, enabled: true })
}
