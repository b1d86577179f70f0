import { Server, ServerCredentials } from '@grpc/grpc-js'
import type { Log, Running } from '#lib'
import { type Endpoint, grpcAddress } from '#lib/flags'
import { listenUnix } from '#lib/http'

export interface GrpcServerOptions {
  log: Log
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
  const { log, maxRequestBytes = 4 * 1024 * 1024, maxResponseBytes = -1, drainMs = 8000 } = options
  const server = new Server({
    'grpc.max_receive_message_length': maxRequestBytes,
    'grpc.max_send_message_length': maxResponseBytes,
  })
  register(server)
  const bind = () => bindServer(server, grpcAddress(endpoint))
  const port = endpoint.kind === 'unix' ? await listenUnix(endpoint.path, bind).then(() => 0) : await bind()
  let stopped: Promise<void> | undefined
  return {
    port,
    stop() {
      stopped ??= drain(server, drainMs, log)
      return stopped
    },
  }
}

function bindServer(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    )
  })
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
