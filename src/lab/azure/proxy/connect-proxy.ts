import { createServer, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { pipeline } from 'node:stream'
import { errorMessage } from '#lib'
import { listenOrAdvise } from '#lib/http'
import { openTunnel, type TunnelTarget } from './open-tunnel.ts'

/** What happens to tunnels to a host. */
export type Route =
  /** They end in this process. */
  | { kind: 'served' }
  /** They go on to the host, through this proxy of the machine (undefined: directly). */
  | { kind: 'forwarded'; proxy: URL | undefined }
  | { kind: 'refused'; reason: string }

export interface ConnectProxyOptions {
  /** Address to listen on, for example `127.0.0.1`. */
  listen: string
  /** Port to listen on; 0 takes a free one. */
  port: number
  routeOf: (host: string) => Route
  /** True when the host has to look as if it were down. */
  isUnreachable: (host: string) => boolean
  /** Takes over the socket of a tunnel that ends here: TLS begins. */
  onTunnel: (socket: Socket) => void
}

export interface ConnectProxy {
  readonly port: number
  /** Cuts every open tunnel to `host`. */
  cut(host: string): void
  stop(): Promise<void>
}

interface State extends ConnectProxyOptions {
  /** Every open socket of a tunnel, with its host. */
  tunnels: Map<Socket, string>
  stopping: AbortController
  /** Port of this proxy, once it listens. */
  ownPort: number
}

/** An HTTP proxy that implements one method: CONNECT (RFC 9110 section 9.3.6). Tunnels end in this process or go on to their host. */
export async function startConnectProxy(options: ConnectProxyOptions): Promise<ConnectProxy> {
  const state: State = { ...options, tunnels: new Map(), stopping: new AbortController(), ownPort: 0 }
  const { tunnels, stopping } = state
  const server = createServer((_request, response) => {
    response.writeHead(405, { 'content-type': 'text/plain; charset=utf-8', allow: 'CONNECT', connection: 'close' })
    response.end(
      'This is the HTTPS proxy of the local Azure: it only answers CONNECT. Set HTTPS_PROXY to this address.\n',
    )
  })
  server.on('connect', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    void connectTunnel(state, request.url ?? '', { socket, head })
  })
  const { port, stop } = await listenOrAdvise(server, { host: options.listen, port: options.port }, { flag: '--port' })
  state.ownPort = port

  return {
    port,
    cut(host) {
      for (const [socket, tunnelHost] of tunnels) if (tunnelHost === host) socket.resetAndDestroy()
    },
    async stop() {
      stopping.abort()
      for (const socket of tunnels.keys()) socket.destroy()
      await stop()
    },
  }
}

/** The client's half of a tunnel. */
interface Client {
  socket: Socket
  /** Bytes that came right behind the request. */
  head: Buffer
}

async function connectTunnel(state: State, authority: string, client: Client): Promise<void> {
  const { socket } = client
  const target = parseAuthority(authority)
  if (target === undefined) return answer(socket, 400, `CONNECT needs HOST:PORT, found ${JSON.stringify(authority)}\n`)
  const { host, port } = target
  const route = state.routeOf(host)
  if (route.kind === 'refused') return answer(socket, 403, route.reason)
  if (route.kind === 'forwarded') return forward(state, target, route.proxy, client)
  if (port !== 443) return answer(socket, 403, `The local Azure serves ${host} on port 443 only.\n`)
  // A reset instead of an HTTP response, which clients would attribute to the host.
  if (state.isUnreachable(host)) return void socket.resetAndDestroy()
  establish(state, host, client)
  state.onTunnel(socket)
}

/** RFC 9112 section 3.2.3: `host:port`. Lower-cases the host. */
function parseAuthority(target: string): TunnelTarget | undefined {
  const match = /^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/.exec(target)
  return match === null ? undefined : { host: (match[1] ?? '').toLowerCase(), port: Number(match[2]) }
}

const connectTimeoutMs = 15_000

async function forward(state: State, target: TunnelTarget, given: URL | undefined, client: Client): Promise<void> {
  const { host } = target
  const { socket } = client
  // In a shell that uses the lab, the proxy variables name this proxy.
  const proxy = given !== undefined && isOwn(given, state) ? undefined : given
  // Other machines would use this one's network through it.
  if (!isLoopback(socket.remoteAddress)) {
    return answer(
      socket,
      403,
      `The local Azure does not serve ${host}, and forwards connections of this machine only.\n`,
    )
  }
  const signal = AbortSignal.any([state.stopping.signal, AbortSignal.timeout(connectTimeoutMs)])
  let far: Socket
  try {
    far = await openTunnel(target, proxy, signal)
  } catch (error) {
    const path = proxy === undefined ? 'directly' : `through the proxy ${proxy.host}`
    const text = `The local Azure does not serve ${host}, and cannot reach it ${path}: ${errorMessage(error)}\n`
    return answer(socket, 502, text)
  }
  state.tunnels.set(far, host)
  far.on('close', () => state.tunnels.delete(far))
  if (socket.destroyed) return void far.destroy()
  establish(state, host, client)
  // pipeline() destroys both sides when either fails.
  pipeline(socket, far, () => {})
  pipeline(far, socket, () => {})
}

function isOwn({ hostname, port }: URL, { ownPort, listen }: State): boolean {
  return Number(port) === ownPort && (hostname === 'localhost' || hostname === listen || isLoopback(hostname))
}

function isLoopback(address = ''): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address)
}

function establish({ tunnels }: State, host: string, { socket, head }: Client): void {
  tunnels.set(socket, host)
  socket.on('close', () => tunnels.delete(socket))
  socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
  if (head.length > 0) socket.unshift(head)
}

const reasons: Record<number, string> = { 400: 'Bad Request', 403: 'Forbidden', 502: 'Bad Gateway' }

function answer(socket: Socket, status: number, text: string): void {
  const head = [
    `HTTP/1.1 ${status} ${reasons[status] ?? ''}`,
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`)
}
