import { createPrivateKey, X509Certificate } from 'node:crypto'
import { errorMessage } from '#lib'
import type { ServingCertificate } from './serving-certificate.ts'

export interface CheckOptions {
  /** DNS name that clients connect to. */
  host: string
  /** Milliseconds since the epoch. */
  now: number
  /** How long before its end a certificate is replaced, in milliseconds. */
  lookaheadMs: number
}

/** Why a new certificate is due; undefined when this one is good for a while. */
export function reasonToRenew(certificate: ServingCertificate | undefined, options: CheckOptions): string | undefined {
  if (certificate === undefined) return 'the Secret has no certificate'
  const { host, now, lookaheadMs } = options
  try {
    const leaf = new X509Certificate(certificate.cert)
    const authority = new X509Certificate(certificate.ca)
    if (!leaf.checkPrivateKey(createPrivateKey(Buffer.from(certificate.key.reveal())))) {
      return 'tls.key does not belong to tls.crt'
    }
    if (leaf.checkHost(host, { subject: 'never' }) === undefined) return `tls.crt is not for ${host}`
    if (!leaf.checkIssued(authority) || !leaf.verify(authority.publicKey)) return 'ca.crt did not sign tls.crt'
    const start = Math.max(leaf.validFromDate.getTime(), authority.validFromDate.getTime())
    // Made by a replica whose clock was ahead: no client accepts it.
    if (start > now) return `it is not valid before ${new Date(start).toISOString()}`
    const end = Math.min(expiryOf(certificate.cert), expiryOf(certificate.ca))
    return end - now < lookaheadMs ? `it expires at ${new Date(end).toISOString()}` : undefined
  } catch (error) {
    return `it cannot be read: ${errorMessage(error)}`
  }
}

/** When a PEM certificate expires, in milliseconds since the epoch. */
export function expiryOf(pem: string): number {
  return new X509Certificate(pem).validToDate.getTime()
}
