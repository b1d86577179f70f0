import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { ServingCertificate } from './serving-certificate.ts'

export interface CheckOptions {
  host: string
  /** Milliseconds since the epoch. */
  now: number
  /** How long before its end a certificate is renewed, in milliseconds. */
  lookaheadMs: number
}

/** Why a certificate has to be made anew; undefined when it is good for a while. */
export function whyRenew(certificate: ServingCertificate | undefined, options: CheckOptions): string | undefined {
  if (certificate === undefined) return 'there is none'
  const { host, now, lookaheadMs } = options
  try {
    const leaf = new X509Certificate(certificate.cert)
    const authority = new X509Certificate(certificate.ca)
    if (!leaf.checkPrivateKey(createPrivateKey(Buffer.from(certificate.key.reveal())))) {
      return 'its key does not belong to it'
    }
    if (leaf.checkHost(host, { subject: 'never' }) === undefined) return `it is not for ${host}`
    if (!leaf.checkIssued(authority) || !leaf.verify(authority.publicKey)) return 'ca.crt did not sign it'
    const end = Math.min(expiryOf(certificate.cert), expiryOf(certificate.ca))
    if (end - now < lookaheadMs) return `it ends at ${new Date(end).toISOString()}`
    return undefined
  } catch (error) {
    return `it cannot be read: ${(error as Error).message}`
  }
}

/** When a PEM certificate ends, in milliseconds since the epoch. */
export function expiryOf(pem: string): number {
  return new X509Certificate(pem).validToDate.getTime()
}
