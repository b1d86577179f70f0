import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { Running } from '#lib'
import { listen } from '../proxy/listen.ts'

export interface ImdsServer extends Running {
  readonly port: number
}

/** IMDS is plain HTTP without a proxy, so it has its own server. */
export async function startImdsServer(options: {
  listen: string
  port: number
  answer: (request: Request) => Promise<Response>
}): Promise<ImdsServer> {
  const server = createServer(getRequestListener(options.answer))
  const port = await listen(server, { address: options.listen, port: options.port, flag: '--imds-port' })
  return {
    port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
