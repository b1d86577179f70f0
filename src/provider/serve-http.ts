import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Client, credentials } from '@grpc/grpc-js'
import { errorMessage, type ListenAddress, metricsContentType, type Running } from '../lib/index.ts'
import { checkHealth, ServingStatus } from '../provider-api/index.ts'

export interface HttpServer extends Running {
  port: number
}

/** `GET /metrics` in the Prometheus text format. Nothing else is served. */
export function serveMetrics(options: { address: ListenAddress; text: () => string }): Promise<HttpServer> {
  const { address, text } = options
  return listen(address, (request, response) => {
    if (request.url?.split('?')[0] !== '/metrics') return void response.writeHead(404).end('not found\n')
    response.writeHead(200, { 'content-type': metricsContentType }).end(text())
  })
}

export interface HealthOptions {
  address: ListenAddress
  /** Default `/healthz`. */
  path?: string
  /** Default 5,000 ms. */
  timeoutMs?: number
  /** gRPC address of our own socket. */
  target: string
}

/**
 * Answers 200 `ok` when our own socket answers gRPC health with SERVING, so it notices a socket that was removed or taken
 * over, a server that is stopping, and an event loop that is stuck. Vaults are not asked: their outage must not restart pods.
 */
export function serveHealth(options: HealthOptions): Promise<HttpServer> {
  const { address, path = '/healthz', timeoutMs = 5000, target } = options
  return listen(address, (request, response) => {
    if (request.url?.split('?')[0] !== path) return void response.writeHead(404).end('not found\n')
    // A connection of its own each time: one that is kept would outlive the socket file, which drivers have to find.
    const client = new Client(target, credentials.createInsecure(), {
      'grpc.default_authority': 'localhost',
      'grpc.use_local_subchannel_pool': 1,
    })
    checkHealth(client, { timeoutMs })
      .then(
        ({ status }) => {
          const healthy = status === ServingStatus.SERVING
          response.writeHead(healthy ? 200 : 503).end(healthy ? 'ok' : 'the provider is stopping')
        },
        (error: unknown) =>
          response.writeHead(503).end(`the provider's socket does not answer: ${errorMessage(error)}`),
      )
      .finally(() => client.close())
  })
}

async function listen({ host, port }: ListenAddress, handle: RequestListener): Promise<HttpServer> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, handle)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, ...(host === undefined ? {} : { host }) }, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
