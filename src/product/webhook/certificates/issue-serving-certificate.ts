import { X509Certificate } from 'node:crypto'
import { createAuthority, issueCertificate } from '#lib/formats'
import type { ServingCertificate } from './serving-certificate.ts'

const hourMs = 3600 * 1000

/** When a certificate of {@link issueServingCertificate}, or its authority, was issued, in milliseconds since the epoch. */
export function issuedAt(pem: string): number {
  return new X509Certificate(pem).validFromDate.getTime() + hourMs
}

const yearMs = 365 * 24 * hourMs

export interface IssueOptions {
  /** DNS name that clients connect to. */
  host: string
  /** Milliseconds since the epoch. */
  now: number
}

/**
 * A certificate for the webhook with an authority of its own, both valid for a year. The authority signs this one
 * certificate, and its key is then dropped: it can never sign again. A new certificate means a new authority, which clients
 * trust in addition to the old one while both are in use.
 */
export async function issueServingCertificate({ host, now }: IssueOptions): Promise<ServingCertificate> {
  const validity = { notBefore: new Date(now - hourMs), notAfter: new Date(now + yearMs) }
  const authority = await createAuthority({
    name: [{ CN: ['azure-workload-identity-ca'] }, { O: ['azure-workload-identity'] }],
    ...validity,
  })
  const { certificate, privateKey } = await issueCertificate(authority, {
    // A common name holds at most 64 characters; clients verify the alternative name.
    subject: [{ CN: [host.slice(0, 64)] }],
    usage: 'server',
    alternativeNames: [host],
    ...validity,
  })
  return { ca: authority.certificate, cert: certificate, key: privateKey }
}
