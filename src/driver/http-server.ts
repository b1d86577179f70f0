import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Running } from '../lib/index.ts'

export interface HttpAnswer {
  status: number
  contentType: string
  body: string
}

/** Host and port as Go writes them: `:8095`, `127.0.0.1:0`, `[::1]:80`. */
export interface ListenAddress {
  /** Undefined for every interface. */
  host: string | undefined
  port: number
}

/** Undefined for text that is no address; an empty text or a bare `0` switches the server off and gives null. */
export function parseListenAddress(text: string): ListenAddress | null | undefined {
  if (text === '' || text === '0') return null
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65535) return undefined
  const host = match[1] ?? match[2]
  return { host: host === '' ? undefined : host, port }
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
