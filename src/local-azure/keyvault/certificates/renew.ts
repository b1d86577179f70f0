import { createPrivateKey } from 'node:crypto'
import type { ObjectVersion, Prepared } from '../object-store.ts'
import type { Certificate, CertificateStores } from './certificate-kind.ts'
import { issueSelfSigned } from './issue.ts'
import { makeCertificateKey, prepareCertificate } from './prepare-certificate.ts'

/** The next version of a self-signed certificate, with its key again if the policy says so. */
export async function renewed(
  stores: CertificateStores,
  { vault, name, version, tags, payload: { policy } }: ObjectVersion<Certificate>,
  nowMs: number,
): Promise<Prepared<Certificate>> {
  const ownKey = stores.keys.get(vault, name)?.versions.find((each) => each.version === version)
  const key =
    policy.key_props.reuse_key && ownKey !== undefined
      ? createPrivateKey({ key: ownKey.payload.jwk, format: 'jwk' })
      : await makeCertificateKey(policy)
  const chain = [await issueSelfSigned(policy, key, nowMs)]
  return prepareCertificate(stores, { vault, name }, { policy, key, chain, tags, enabled: true })
}
