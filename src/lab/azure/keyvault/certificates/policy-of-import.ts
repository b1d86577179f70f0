import { X509Certificate } from 'node:crypto'
import { jwkOf } from '../keys/generate-key.ts'
import { type CertificatePolicy, completePolicy, type GivenPolicy } from './policy.ts'
import type { ImportedCertificate } from './read-import.ts'

/** The policy of an imported certificate: what the file holds overrides what was given. */
export function policyOfImport(
  given: GivenPolicy,
  { key, chain, contentType }: ImportedCertificate,
): CertificatePolicy {
  const jwk = jwkOf(key)
  const [leaf] = chain
  const subject = leaf === undefined ? '' : new X509Certificate(leaf).subject.replaceAll('\n', ', ')
  const keyProperties =
    jwk.kty === 'EC'
      ? { kty: 'EC' as const, crv: jwk.crv as never }
      : { kty: 'RSA' as const, key_size: key.asymmetricKeyDetails?.modulusLength as never }
  return completePolicy({
    ...given,
    secret_props: { contentType },
    key_props: { ...given.key_props, ...keyProperties },
    x509_props: { ...given.x509_props, subject },
    issuer: given.issuer ?? { name: 'Unknown' },
  })
}
