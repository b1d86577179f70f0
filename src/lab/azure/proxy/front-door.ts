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

/** The TLS server for all tunnels, with a certificate for each name. It does not listen: the proxy gives it sockets. */
export function createFrontDoor({ certificateFor, answer, log }: FrontDoorOptions) {
  const server = createServer(
    {
      // As Azure's load balancers do, which clients with connection pools rely on.
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
