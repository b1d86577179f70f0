import { type IncomingMessage, request as openRequest, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { pipeline } from 'node:stream'
import { type Clock, errorMessage, systemClock } from '#lib'
import { ImdsRefusal } from './imds-refusal.ts'

export interface ForwardToImdsOptions {
  /** Origin of the real IMDS, `http://…`. */
  endpoint: string
  /** Time to connect, in milliseconds. Default 2,000: outside of Azure nothing answers there, and clients wait for us. */
  connectMs?: number | undefined
  /** Time without a byte, in milliseconds. Default 150,000: the first request for scheduled events takes up to two minutes. */
  idleMs?: number | undefined
  /** Why a request of ours may come back to us, for the error. */
  loopAdvice: string
  clock?: Clock | undefined
}

/**
 * Passes a request to the real IMDS and the answer back. `target` is in origin form. Resolves when the answer is complete or
 * the caller is gone. Rejects with {@link ImdsRefusal} as long as nothing has been answered.
 */
export type ForwardToImds = (request: IncomingMessage, response: ServerResponse, target: string) => Promise<void>

export function createForwardToImds(options: ForwardToImdsOptions): ForwardToImds {
  /** Local ports of our own connections: a request that comes from one of them was redirected back to us. */
  const ownPorts = new Set<number>()
  return async (request, response, target) => {
    if (ownPorts.has(request.socket.remotePort ?? -1)) throw new ImdsRefusal(508, 'loop_detected', options.loopAdvice)
    await forward(request, response, { ...options, target, onConnected: (socket) => remember(socket, ownPorts) })
  }
}

function remember(socket: Socket, ports: Set<number>): void {
  const { localPort } = socket
  if (localPort === undefined) return
  ports.add(localPort)
  socket.once('close', () => ports.delete(localPort))
}

interface Forwarding extends ForwardToImdsOptions {
  target: string
  onConnected(socket: Socket): void
}

function forward(request: IncomingMessage, response: ServerResponse, forwarding: Forwarding): Promise<void> {
  const { endpoint, target, connectMs = 2000, idleMs = 150_000, onConnected, clock = systemClock } = forwarding
  const framing = framingOf(request)
  const { hostname, port } = new URL(endpoint)
  return new Promise((resolve, reject) => {
    const outgoing = openRequest({
      agent: false,
      host: hostname,
      port: port === '' ? 80 : port,
      method: request.method,
      path: target,
      headers: { ...withoutLength(endToEnd(request.headers)), ...framing },
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
        onConnected(socket)
      })
    })
    outgoing.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers))
      pipeline(answer, response, () => resolve())
    })
    outgoing.on('error', (error) => {
      cancelConnect()
      if (response.headersSent || response.destroyed) {
        response.destroy()
        resolve()
      } else reject(unreachable(endpoint, error))
    })
    // The caller may hang up at any time.
    response.on('close', () => {
      cancelConnect()
      outgoing.destroy()
      resolve()
    })
    if (framing === undefined) {
      // What a client sends with such a request is read and dropped: behind it, it would be read as a request of its own.
      request.resume()
      outgoing.end()
    } else request.pipe(outgoing)
  })
}

/** Methods whose requests have no body. https://www.rfc-editor.org/rfc/rfc9110#section-9.3 */
const withoutBody = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE'])

/**
 * The header by which the server behind knows where the body of this request ends; undefined for a request that travels
 * without one. Throws {@link ImdsRefusal} for a request that states it in two ways, of which two servers may believe
 * different ones. https://www.rfc-editor.org/rfc/rfc9112#section-6.3
 */
function framingOf({ method = '', headers }: IncomingMessage): Record<string, string> | undefined {
  const { 'content-length': length, 'transfer-encoding': encoding } = headers
  if (length !== undefined && encoding !== undefined) {
    throw new ImdsRefusal(400, 'invalid_request', 'A request has either Content-Length or Transfer-Encoding')
  }
  if (encoding !== undefined && encoding.toLowerCase() !== 'chunked') {
    throw new ImdsRefusal(400, 'invalid_request', 'The only Transfer-Encoding of requests is chunked')
  }
  if (withoutBody.has(method)) return undefined
  return encoding === undefined ? { 'content-length': length ?? '0' } : { 'transfer-encoding': 'chunked' }
}

/** Headers that belong to one connection. https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1 */
const ofOneConnection = new Set([
  'connection',
  'expect',
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

function endToEnd(headers: IncomingMessage['headers']): IncomingMessage['headers'] {
  const named = new Set((headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase()))
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ofOneConnection.has(name) && !named.has(name)))
}

function withoutLength({ 'content-length': _, ...headers }: IncomingMessage['headers']): IncomingMessage['headers'] {
  return headers
}

function unreachable(endpoint: string, error: unknown): ImdsRefusal {
  return new ImdsRefusal(
    502,
    'bad_gateway',
    `The instance metadata service at ${endpoint} cannot be reached: ${errorMessage(error)}`,
    { cause: error },
  )
}
