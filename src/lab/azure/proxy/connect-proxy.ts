import { createServer, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { listenOrAdvise } from './listen.ts'

export interface ConnectProxyOptions {
  /** Address to listen on, for example `127.0.0.1`. */
  listen: string
  /** Port to listen on; 0 takes a free one. */
  port: number
  /** Why the proxy refuses tunnels to this host, as a message for clients; undefined when it does not. */
  refusal: (host: string) => string | undefined
  /** True when the host has to look as if it were down. */
  isUnreachable: (host: string) => boolean
  /** Takes over a tunnel's socket: TLS begins here. */
  onTunnel: (socket: Socket) => void
}

export interface ConnectProxy {
  readonly port: number
  /** Cuts every open tunnel to `host`. */
  cut(host: string): void
  stop(): Promise<void>
}

/**
 * An HTTP proxy that implements one method: CONNECT (RFC 9110 section 9.3.6). It forwards nothing; each tunnel ends in this process.
 */
export async function startConnectProxy(options: ConnectProxyOptions): Promise<ConnectProxy> {
  const tunnels = new Map<Socket, string>()
  const server = createServer((_request, response) => {
    response.writeHead(405, { 'content-type': 'text/plain; charset=utf-8', allow: 'CONNECT', connection: 'close' })
    response.end(
      'This is the HTTPS proxy of the local Azure: it only answers CONNECT. Set HTTPS_PROXY to this address.\n',
    )
  })
  // This server only sees the CONNECT request; the server behind a tunnel closes idle ones.
  server.on('connect', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    const target = parseAuthority(request.url ?? '')
    if (target === undefined) {
      return answer(socket, 400, `CONNECT needs HOST:PORT, found ${JSON.stringify(request.url)}\n`)
    }
    const { host } = target
    const refusal =
      options.refusal(host) ?? (target.port === 443 ? undefined : `The local Azure serves ${host} on port 443 only.\n`)
    if (refusal !== undefined) return answer(socket, 403, refusal)
    // A reset instead of an HTTP response, which clients would attribute to the host.
    if (options.isUnreachable(host)) return void socket.resetAndDestroy()
    tunnels.set(socket, host)
    socket.on('close', () => tunnels.delete(socket))
    socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
    if (head.length > 0) socket.unshift(head)
    options.onTunnel(socket)
  })
  const { port, stop } = await listenOrAdvise(server, { address: options.listen, port: options.port, flag: '--port' })

  return {
    port,
    stop,
    cut(host) {
      for (const [socket, tunnelHost] of tunnels) if (tunnelHost === host) socket.resetAndDestroy()
    },
  }
}

/** RFC 9112 section 3.2.3: `host:port`. Lower-cases the host. */
function parseAuthority(target: string): { host: string; port: number } | undefined {
  const match = /^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/.exec(target)
  return match === null ? undefined : { host: (match[1] ?? '').toLowerCase(), port: Number(match[2]) }
}

const reasons: Record<number, string> = { 400: 'Bad Request', 403: 'Forbidden' }

function answer(socket: Socket, status: number, text: string): void {
  const head = [
    `HTTP/1.1 ${status} ${reasons[status] ?? ''}`,
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`)
}
