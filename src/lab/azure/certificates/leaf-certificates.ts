import { createSecureContext, type SecureContext } from 'node:tls'
import { systemClock } from '#lib'
import { createSingleFlight } from '#lib/async'
import type { CertificateAuthority } from './certificate-authority.ts'

/** Hosts whose certificates are cached; beyond it the oldest is dropped and created again when requested. */
const maxCached = 1000
/** A certificate is replaced after this many milliseconds, long before it expires. */
const renewAfterMs = 90 * 24 * 3600 * 1000

/** TLS contexts by host name, each with a certificate of its own, created when the name is first requested. */
export function createLeafCertificates(authority: CertificateAuthority): (host: string) => Promise<SecureContext> {
  const cache = new Map<string, { context: SecureContext; createdAt: number }>()
  const singleFlight = createSingleFlight<SecureContext>()

  async function create(host: string): Promise<SecureContext> {
    const context = createSecureContext({ ...(await authority.issue(host)), minVersion: 'TLSv1.2' })
    const oldest = cache.keys().next().value
    if (cache.size >= maxCached && oldest !== undefined) cache.delete(oldest)
    cache.set(host, { context, createdAt: systemClock.elapsed() })
    return context
  }

  return async (host) => {
    const cached = cache.get(host)
    if (cached !== undefined && systemClock.elapsed() - cached.createdAt < renewAfterMs) return cached.context
    return singleFlight(host, () => create(host))
  }
}
