import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:tls'
import { type ListenAddress, metricsContentType, type Running } from '../lib/index.ts'

export interface StatusServer extends Running {
  port: number
}

/** What a path answers: 200 with this text, or an error that becomes 503. */
type Route = () => { text: string; contentType?: string } | Promise<{ text: string; contentType?: string }>

/** `/metrics` in the Prometheus text format. */
export function serveMetrics(address: ListenAddress, text: () => string): Promise<StatusServer> {
  return serve(address, { '/metrics': () => ({ text: text(), contentType: metricsContentType }) })
}

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
export function serveHealth(address: ListenAddress, { self, notReady }: HealthOptions): Promise<StatusServer> {
  const alive = async () => {
    if (notReady() === undefined) await shakeHands(self)
    return { text: 'ok' }
  }
  return serve(address, {
    '/healthz': alive,
    '/readyz': () => {
      const reason = notReady()
      if (reason !== undefined) throw new Error(reason)
      return alive()
    },
  })
}

/** Whom we reach is ourselves; whether others trust the certificate is for them to check. */
function shakeHands({ host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host, rejectUnauthorized: false, timeout: 5000 })
    socket.once('secureConnect', () => {
      socket.end()
      resolve()
    })
    socket.once('timeout', () => socket.destroy(new Error('no TLS handshake within 5 s')))
    socket.once('error', reject)
  })
}

async function serve({ host, port }: ListenAddress, routes: Readonly<Record<string, Route>>): Promise<StatusServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0] ?? ''
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined
    if (route === undefined) return void response.writeHead(404).end('not found\n')
    const answer = async () => route()
    answer().then(
      ({ text, contentType = 'text/plain' }) => response.writeHead(200, { 'content-type': contentType }).end(text),
      (error: unknown) => response.writeHead(503).end(`${error instanceof Error ? error.message : String(error)}\n`),
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, ...(host === undefined ? {} : { host }) }, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
