import { createSecureContext, type SecureContext } from 'node:tls'
import { createSingleFlight } from '#lib/async'
import type { CertificateAuthority } from './certificate-authority.ts'

/** Hosts remembered at once; beyond it the oldest is forgotten and made again when asked for. */
const remembered = 1000
/** A leaf is made anew after this many milliseconds, long before it expires. */
const renewAfterMs = 90 * 24 * 3600 * 1000

/** TLS contexts by host name, each with a certificate of its own, made when the name is first asked for. */
export function createLeafCertificates(authority: CertificateAuthority): (host: string) => Promise<SecureContext> {
  const contexts = new Map<string, { context: SecureContext; madeAt: number }>()
  const singleFlight = createSingleFlight<SecureContext>()

  async function make(host: string): Promise<SecureContext> {
    const context = createSecureContext({ ...(await authority.issue(host)), minVersion: 'TLSv1.2' })
    const oldest = contexts.keys().next().value
    if (contexts.size >= remembered && oldest !== undefined) contexts.delete(oldest)
    contexts.set(host, { context, madeAt: Date.now() })
    return context
  }

  return async (host) => {
    const known = contexts.get(host)
    if (known !== undefined && Date.now() - known.madeAt < renewAfterMs) return known.context
    return singleFlight(host, () => make(host))
  }
}
