import { type IncomingMessage, request as openRequest, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'
import { ImdsError, imdsError, sendImdsError } from './imds-error.ts'

export interface ForwardOptions {
  /** Origin of the real IMDS. */
  endpoint: string
  /** Time to reach it, in milliseconds. Default 2,000: outside of Azure there is nobody, and clients wait for the answer. */
  connectMs?: number
  /** Time without a byte, in milliseconds. Default 150,000: the first question for scheduled events takes up to two minutes. */
  idleMs?: number
}

/** Headers of one connection, which are not the next one's. https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1 */
const ofOneConnection = new Set([
  'connection',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Passes requests to the real IMDS as they are, and its answers back. */
export function createForward({ endpoint, connectMs = 2000, idleMs = 150_000 }: ForwardOptions) {
  /** Local ports of our own connections: a request that comes from one was redirected back to us. */
  const ownPorts = new Set<number>()

  /** Resolves when the exchange is over, in whatever way. */
  function forward(request: IncomingMessage, response: ServerResponse, target: string): Promise<void> {
    if (ownPorts.has(request.socket.remotePort ?? -1)) {
      const words =
        "The proxy's own request came back to it: it has to run as the user whom proxy-init lets pass (1501)"
      sendImdsError(response, new ImdsError(508, 'loop_detected', words))
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      const { hostname, port } = new URL(endpoint)
      const outgoing = openRequest({
        agent: false,
        host: hostname,
        port: port === '' ? 80 : port,
        method: request.method,
        path: target,
        headers: endToEnd(request.headers),
      })
      outgoing.setTimeout(connectMs, () => outgoing.destroy(new Error('no answer in time')))
      outgoing.on('socket', (socket) => {
        socket.once('connect', () => {
          outgoing.setTimeout(idleMs)
          const { localPort } = socket
          if (localPort === undefined) return
          ownPorts.add(localPort)
          socket.once('close', () => ownPorts.delete(localPort))
        })
      })
      outgoing.on('response', (answer) => {
        response.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers))
        pipeline(answer, response, () => resolve())
      })
      outgoing.on('error', (error) => {
        if (response.headersSent) response.destroy()
        else sendImdsError(response, unreachable(endpoint, error))
        resolve()
      })
      // The application may hang up at any time.
      response.on('close', () => outgoing.destroy())
      request.pipe(outgoing)
    })
  }

  return forward
}

function unreachable(endpoint: string, error: unknown): ImdsError {
  return new ImdsError(
    502,
    'bad_gateway',
    `The instance metadata service at ${endpoint} cannot be reached: ${imdsError(error).message}`,
  )
}

function endToEnd(headers: IncomingMessage['headers']): IncomingMessage['headers'] {
  const named = new Set((headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase()))
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ofOneConnection.has(name) && !named.has(name)))
}
