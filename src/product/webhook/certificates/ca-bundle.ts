import { X509Certificate } from 'node:crypto'
import { decodePem, encodePem } from '#lib/formats'

/**
 * The certificates of a bundle and these beside them, each once, without those that have ended. What is no certificate is
 * dropped, such as the placeholder that some charts put there.
 *
 * @param bundle PEM, as the configuration has it now
 */
export function joinBundle(bundle: string, authorities: readonly string[], now: number): string {
  const kept = certificatesOf(bundle).filter((pem) => !hasEnded(pem, now))
  // In their order, so that replicas which agree on the certificates agree on the text.
  return [...new Set([...kept, ...authorities.flatMap(certificatesOf)])].join('')
}

/** Whether a bundle has a certificate. */
export function bundleHas(bundle: string, authority: string): boolean {
  const present = new Set(certificatesOf(bundle))
  return certificatesOf(authority).every((pem) => present.has(pem))
}

function certificatesOf(text: string): string[] {
  return decodePem(text)
    .filter(({ label }) => label === 'CERTIFICATE')
    .map(encodePem)
}

function hasEnded(pem: string, now: number): boolean {
  try {
    return new X509Certificate(pem).validToDate.getTime() < now
  } catch {
    return true
  }
}
