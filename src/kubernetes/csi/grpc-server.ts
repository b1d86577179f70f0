import { Server, ServerCredentials } from '@grpc/grpc-js'
import type { Running } from '#lib'
import { listenUnix } from '#lib/http'
import { type Endpoint, grpcAddress } from './endpoint.ts'

/** How long calls that are under way may still take after `stop`, in milliseconds. */
const drainMs = 8000

/**
 * Serves on an endpoint. A Unix socket is only for its owner (0700) from its first moment on; a stale socket file is removed.
 * `port` is the one that was taken, 0 for a Unix socket. `stop` lets calls under way finish for a few seconds.
 */
export async function serveGrpc(
  endpoint: Endpoint,
  register: (server: Server) => void,
): Promise<Running & { port: number }> {
  const server = new Server()
  register(server)
  const bind = () =>
    new Promise<number>((resolve, reject) => {
      server.bindAsync(grpcAddress(endpoint), ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      )
    })
  const bound = endpoint.kind === 'unix' ? await listenUnix(endpoint.path, bind) : await bind()
  let stopped: Promise<void> | undefined
  return {
    port: endpoint.kind === 'unix' ? 0 : bound,
    stop() {
      stopped ??= new Promise((resolve) => {
        const force = setTimeout(() => server.forceShutdown(), drainMs)
        server.tryShutdown(() => {
          clearTimeout(force)
          resolve()
        })
      })
      return stopped
    },
  }
}
