import { X509Certificate } from 'node:crypto'
import { decodePem, encodePem } from '#lib/formats'

/**
 * The certificates of a bundle and these in addition, each once. Whatever is not a certificate is dropped, such as the
 * placeholder that some charts have there.
 *
 * @param bundle PEM, as the configuration has it now
 * @param expiredAt certificates that had expired by this time are dropped too; undefined: none, for want of a reliable clock
 */
export function joinBundle(bundle: string, authorities: readonly string[], expiredAt: number | undefined): string {
  const kept = certificatesOf(bundle).filter((pem) => !isExpired(pem, expiredAt))
  // In their order, so that replicas which agree on the certificates agree on the text.
  return [...new Set([...kept, ...authorities.flatMap(certificatesOf)])].join('')
}

/** Whether a bundle has certificates other than those of an authority. */
export function bundleHasOthers(bundle: string, authority: string): boolean {
  const own = new Set(certificatesOf(authority))
  return certificatesOf(bundle).some((pem) => !own.has(pem))
}

/** Whether a bundle contains an authority. */
export function bundleHas(bundle: string, authority: string): boolean {
  const present = new Set(certificatesOf(bundle))
  return certificatesOf(authority).every((pem) => present.has(pem))
}

function certificatesOf(text: string): string[] {
  return decodePem(text)
    .filter(({ label }) => label === 'CERTIFICATE')
    .map(encodePem)
}

/** True for what cannot be read. */
function isExpired(pem: string, at: number | undefined): boolean {
  try {
    const { validToDate } = new X509Certificate(pem)
    return at !== undefined && validToDate.getTime() < at
  } catch {
    return true
  }
}
