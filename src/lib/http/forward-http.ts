import { type IncomingMessage, request as openRequest, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { pipeline } from 'node:stream'
import { type Clock, systemClock } from '#lib'

export interface ForwardOptions {
  /** Origin of the server behind, `http://…`. */
  endpoint: string
  /** The request target to ask for there, as it shall stand in the request. */
  target: string
  /** Time to reach it, in milliseconds. Default 2,000. */
  connectMs?: number
  /** Time without a byte, in milliseconds. Default 150,000. */
  idleMs?: number
  /** Called with the connection to the server behind. */
  onConnected?: (socket: Socket) => void
  /** Called when no answer came; it has to end the response. */
  onFailure(error: Error): void
  clock?: Clock
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

/** Passes a request to the server behind as it is, and its answer back. Resolves when the exchange is over, in whatever way. */
export function forwardHttp(
  request: IncomingMessage,
  response: ServerResponse,
  options: ForwardOptions,
): Promise<void> {
  const { endpoint, target, connectMs = 2000, idleMs = 150_000, onConnected, onFailure, clock = systemClock } = options
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
    // A request's own timeout begins with its connection.
    const cancelConnect = clock.after(connectMs, () => {
      outgoing.destroy(new Error(`no connection to ${endpoint} within ${connectMs / 1000} s`))
    })
    outgoing.setTimeout(idleMs, () => {
      outgoing.destroy(new Error(`no answer from ${endpoint} within ${idleMs / 1000} s`))
    })
    outgoing.on('socket', (socket) => {
      socket.once('connect', () => {
        cancelConnect()
        onConnected?.(socket)
      })
    })
    outgoing.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers))
      pipeline(answer, response, () => resolve())
    })
    outgoing.on('error', (error) => {
      if (response.headersSent) response.destroy()
      else onFailure(error)
      resolve()
    })
    // The caller may hang up at any time.
    response.on('close', () => {
      cancelConnect()
      outgoing.destroy()
    })
    request.pipe(outgoing)
  })
}

function endToEnd(headers: IncomingMessage['headers']): IncomingMessage['headers'] {
  const named = new Set((headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase()))
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ofOneConnection.has(name) && !named.has(name)))
}
