import type { Server as HttpServer } from 'node:http'
import type { AddressInfo, Server, Socket } from 'node:net'
import { errorCode, errorMessage, type Running } from '#lib'
import { type ExchangeFollower, followExchanges } from './follow-exchanges.ts'
import { limitConnections } from './limit-connections.ts'
import { ListenError } from './listen-error.ts'
import { listenUnix } from './unix-socket.ts'

/** A TCP port (0 for a free one, all addresses without a host), or a Unix socket of mode 0700. */
export type ServerAddress = { host?: string | undefined; port: number } | { path: string }

export interface ListenOptions {
  /** How long `stop` waits for exchanges in progress before it ends their connections, in milliseconds. Default 0. */
  drainMs?: number | undefined
  /** Connections of an HTTP(S) server at once; see {@link limitConnections}. Default: any number. */
  maxConnections?: number | undefined
  /** Called when a connection cannot be accepted, for lack of file descriptors for example. Default: nothing. */
  onError?: ((error: Error) => void) | undefined
}

export interface Listening extends Running {
  /** The TCP port; 0 for a Unix socket. */
  port: number
  /** Accepts no more connections, closes idle ones, and resolves when the others have ended or `drainMs` is over. */
  stop(): Promise<void>
}

/** Starts a server of `node:net`, `node:http`, `node:https` or `node:tls`. Rejects with {@link ListenError}. */
export async function listen(
  server: Server,
  address: ServerAddress,
  { drainMs = 0, maxConnections, onError = () => {} }: ListenOptions = {},
): Promise<Listening> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  if (isHttp(server)) {
    const limit = maxConnections === undefined ? [] : [limitConnections(server, maxConnections)]
    followExchanges(server, [closeIdleAfterStop(server), ...limit])
  }
  if ('path' in address) await listenUnix(address.path, (path) => bind(server, { path }))
  else await bind(server, address)
  server.on('error', onError)
  let stopped: Promise<void> | undefined
  return {
    port: 'path' in address ? 0 : (server.address() as AddressInfo).port,
    stop() {
      stopped ??= close(server, sockets, drainMs)
      return stopped
    },
  }
}

function bind(server: Server, address: ServerAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error) => reject(listenError(address, error))
    server.once('error', onError)
    server.listen(address, () => {
      server.removeListener('error', onError)
      resolve()
    })
  })
}

function isHttp(server: Server): server is HttpServer {
  return 'closeIdleConnections' in server
}

/** A connection that is kept alive after the last answer would hold up the end until its client closes it. */
function closeIdleAfterStop(server: HttpServer): ExchangeFollower {
  const close = () => server.closeIdleConnections()
  return {
    ended() {
      if (!server.listening) setImmediate(close)
    },
  }
}

function listenError(address: ServerAddress, cause: Error): ListenError {
  const code = errorCode(cause) ?? 'ERR_LISTEN'
  const reasons: Record<string, string> = {
    EADDRINUSE: 'it is in use',
    EACCES: 'this user has no right to it',
    EADDRNOTAVAIL: 'this machine has no such address',
  }
  const where = 'path' in address ? address.path : `${hostText(address.host)}:${address.port}`
  return new ListenError(code, `cannot listen on ${where}: ${reasons[code] ?? errorMessage(cause)}`, { cause })
}

function hostText(host = ''): string {
  return host.includes(':') ? `[${host}]` : host
}

function close(server: Server, sockets: ReadonlySet<Socket>, drainMs: number): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      for (const socket of sockets) socket.destroy()
    }
    const timer = setTimeout(end, drainMs)
    // An HTTP server closes the connections that are idle now. Those that become idle are closed by closeIdleAfterStop.
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    if (drainMs === 0) end()
  })
}
