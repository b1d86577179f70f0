import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ListenAddress, Running } from '../lib/index.ts'

export interface HttpAnswer {
  status: number
  contentType: string
  body: string
}

/** Answers GET on a few paths; anything else is 404. */
export async function serveHttp(
  address: ListenAddress,
  routes: Readonly<Record<string, () => HttpAnswer | Promise<HttpAnswer>>>,
): Promise<Running & { port: number }> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0] ?? ''
    const route = request.method === 'GET' && Object.hasOwn(routes, path) ? routes[path] : undefined
    const notFound = (): HttpAnswer => ({
      status: 404,
      contentType: 'text/plain',
      body: `no such path; known: ${Object.keys(routes).join(', ')}\n`,
    })
    Promise.resolve((route ?? notFound)()).then(
      ({ status, contentType, body }) => response.writeHead(status, { 'content-type': contentType }).end(body),
      () => response.writeHead(500).end(),
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port: address.port, ...(address.host === undefined ? {} : { host: address.host }) }, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
