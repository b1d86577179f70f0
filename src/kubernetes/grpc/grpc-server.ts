import { Server } from '@grpc/grpc-js'
import { bindServer, type NodeSockets, unixSockets } from '#kubernetes/sockets'
import type { Log, Running } from '#lib'
import type { Endpoint } from '#lib/flags'

export interface GrpcServerOptions {
  log: Log
  /** Default: those of Node. */
  sockets?: NodeSockets | undefined
  /** Largest request in bytes. Default 4 MiB. */
  maxRequestBytes?: number | undefined
  /** Largest response in bytes. Default: none; the client has its own limit. */
  maxResponseBytes?: number | undefined
  /** How long `stop` waits for calls in progress, in milliseconds. Default 8,000. */
  drainMs?: number | undefined
}

export interface GrpcServer extends Running {
  /** The TCP port, 0 for a Unix socket. */
  port: number
  /** Resolves when calls in progress have ended, or were ended after `drainMs`. No call is accepted once it is called. */
  stop(): Promise<void>
}

/**
 * Starts a gRPC server on an endpoint. A Unix socket has mode 0700 from its first moment on, and a stale socket file is removed.
 * @param register adds the services.
 */
export async function startGrpcServer(
  endpoint: Endpoint,
  register: (server: Server) => void,
  options: GrpcServerOptions,
): Promise<GrpcServer> {
  const { sockets = unixSockets, maxRequestBytes = 4 * 1024 * 1024, maxResponseBytes = -1 } = options
  const server = new Server({
    'grpc.max_receive_message_length': maxRequestBytes,
    'grpc.max_send_message_length': maxResponseBytes,
  })
  register(server)
  const port = endpoint.kind === 'tcp' ? await bindServer(server, endpoint.address) : 0
  const socket = endpoint.kind === 'unix' ? await sockets.serve(endpoint.path, server) : undefined
  let stopped: Promise<void> | undefined
  return {
    port,
    stop() {
      stopped ??= stop(server, socket, options)
      return stopped
    },
  }
}

async function stop(server: Server, socket: Running | undefined, options: GrpcServerOptions): Promise<void> {
  const { drainMs = 8000, log } = options
  await socket?.stop()
  await drain(server, drainMs, log)
}

function drain(server: Server, drainMs: number, log: Log): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => {
      log.warn({ drainMs }, 'calls are still in progress; ending them')
      server.forceShutdown()
    }, drainMs)
    server.tryShutdown(() => {
      clearTimeout(force)
      resolve()
    })
  })
}
