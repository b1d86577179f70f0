import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Running } from '#lib'
import type { ListenAddress } from '#lib/flags'

export interface HttpServer extends Running {
  port: number
}

/** Serves plain HTTP until it is stopped; then open connections end at once. Rejects when the port is taken. */
export async function listenHttp({ host, port }: ListenAddress, handle: RequestListener): Promise<HttpServer> {
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
