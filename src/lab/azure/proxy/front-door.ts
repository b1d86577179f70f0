import { createServer } from 'node:https'
import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { getRequestListener } from '@hono/node-server'
import type { Log } from '#lib'

export interface FrontDoorOptions {
  certificateFor: (host: string) => Promise<SecureContext>
  answer: (request: Request) => Promise<Response>
  log: Log
}

/** The TLS server in which all tunnels end, with a certificate for each name. It listens nowhere: the proxy hands it its sockets. */
export function createFrontDoor({ certificateFor, answer, log }: FrontDoorOptions) {
  const server = createServer(
    {
      // Azure's load balancers hold an idle connection for four minutes; clients with a pool count on it.
      keepAliveTimeout: 240_000,
      SNICallback: (host, done) => {
        certificateFor(host.toLowerCase()).then(
          (context) => done(null, context),
          (error: Error) => done(error),
        )
      },
    },
    getRequestListener(answer),
  )
  server.on('tlsClientError', (error) => log.debug({ err: error }, 'TLS handshake failed'))
  return {
    accept: (socket: Socket) => void server.emit('connection', socket),
    stop: () => server.closeAllConnections(),
  }
}
