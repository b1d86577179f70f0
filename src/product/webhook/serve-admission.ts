import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { SecureContextOptions, SecureVersion } from 'node:tls'
import type { Running } from '#lib'
import type { ListenAddress } from '#lib/flags'
import { AdmissionDenied } from './admission-denied.ts'
import type { AdmissionBody, AdmissionRoute } from './admission-route.ts'
import type { ServingCertificate } from './certificates/serving-certificate.ts'

export interface ServeAdmissionOptions {
  address: ListenAddress
  minVersion: SecureVersion
  /** By path: what answers a body with JSON. */
  routes: Readonly<Record<string, AdmissionRoute>>
}

export interface AdmissionServer extends Running {
  port: number
  /** For connections from now on; those that are open keep theirs. Before the first one, handshakes fail. */
  use(certificate: ServingCertificate): void
  /** Ends each connection with its next answer, so that clients turn to another replica. */
  drain(): void
}

/** The API server sends no larger objects. Upstream's bound. */
const maxBodyBytes = 7 * 1024 * 1024

/**
 * The API server's client keeps idle connections for 90 s. They must not end first on our side: it does not repeat a POST
 * that meets a closing connection, and the pod would be refused.
 */
const keepAliveMs = 150_000

/** Clients show no certificates. Without this, Node would read all the root certificates that it brings along. */
const nobody: string[] = []

export async function serveAdmission({ address, minVersion, routes }: ServeAdmissionOptions): Promise<AdmissionServer> {
  let draining = false
  const server = createServer(
    { minVersion, ca: nobody, keepAliveTimeout: keepAliveMs, requestTimeout: 30_000 },
    (request, response) => {
      const path = request.url?.split('?')[0] ?? ''
      const route = Object.hasOwn(routes, path) ? routes[path] : undefined
      if (route === undefined) {
        response
          .writeHead(404, { 'content-type': 'text/plain' })
          .end(`no such path; known: ${Object.keys(routes).join(', ')}\n`)
        return
      }
      void answer(route, request, response)
    },
  )

  async function answer(route: AdmissionRoute, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const input = await readBody(request)
    const json = await route(input)
    const close = draining || 'denied' in input
    response
      .writeHead(200, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(json),
        ...(close ? { connection: 'close' } : {}),
      })
      .end(json)
  }

  // A client that hangs up, or speaks no TLS, is no matter of ours.
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port: address.port, ...(address.host === undefined ? {} : { host: address.host }) }, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    use({ cert, key }) {
      const context: SecureContextOptions = { cert, key: Buffer.from(key.reveal()), ca: nobody, minVersion }
      server.setSecureContext(context)
    },
    drain() {
      draining = true
    },
    async stop() {
      draining = true
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeIdleConnections()
      await closed
    },
  }
}

/**
 * The body up to its bound. What is beyond it is read and forgotten, because a client that is cut off while it sends does
 * not read the answer. A request that breaks off has nobody left to answer.
 */
async function readBody(request: IncomingMessage): Promise<AdmissionBody> {
  let chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size <= maxBodyBytes) chunks.push(chunk)
      else chunks = []
    }
  } catch (error) {
    return { denied: new AdmissionDenied('the request ended before its body', 400, { cause: error }) }
  }
  if (size > maxBodyBytes) {
    return { denied: new AdmissionDenied(`request entity is too large; limit is ${maxBodyBytes} bytes`, 413) }
  }
  return { contentType: request.headers['content-type'] ?? '', body: Buffer.concat(chunks) }
}
