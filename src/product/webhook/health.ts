import { connect } from 'node:tls'
import type { StatusRoutes } from '#lib/http'

export interface HealthOptions {
  /** Where the webhook itself listens. */
  self: { host: string; port: number }
  /** Why no requests should be sent yet, or any more; undefined when they may. */
  notReady: () => string | undefined
}

/**
 * `/healthz`: the webhook completes a TLS handshake, once it has a certificate; waiting for one does not call for a restart.
 * `/readyz`: requests may be sent.
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

/** The certificate is not verified: we connect to ourselves. */
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
