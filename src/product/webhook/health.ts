import { connect } from 'node:tls'
import type { StatusRoutes } from '#lib/http'

export interface HealthOptions {
  /** Where the webhook itself answers. */
  self: { host: string; port: number }
  /** Why no requests should come yet, or any more; undefined when they may. */
  notReady: () => string | undefined
}

/**
 * `/healthz`: the webhook answers a TLS handshake, once it has a certificate; waiting for one is no reason for a restart.
 * `/readyz`: it may be sent requests.
 */
export function healthRoutes({ self, notReady }: HealthOptions): StatusRoutes {
  const alive = async () => {
    if (notReady() === undefined) await shakeHands(self)
    return { body: 'ok' }
  }
  const ready = () => {
    const reason = notReady()
    if (reason !== undefined) throw new Error(reason)
    return alive()
  }
  return { '/healthz': alive, '/readyz': ready }
}

/** Whom we reach is ourselves; whether others trust the certificate is for them to check. */
function shakeHands({ host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host, ca: [], rejectUnauthorized: false, timeout: 5000 })
    socket.once('secureConnect', () => {
      socket.end()
      resolve()
    })
    socket.once('timeout', () => socket.destroy(new Error('no TLS handshake within 5 s')))
    socket.once('error', reject)
  })
}
