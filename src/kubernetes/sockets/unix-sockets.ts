import { readdirSync, statSync } from 'node:fs'
import { type Server, ServerCredentials } from '@grpc/grpc-js'
import { listenUnix } from '#lib/http'
import type { NodeSockets } from './node-sockets.ts'

/** Sockets by the system calls of Node. A new one has mode 0700 from its first moment on. */
export const unixSockets: NodeSockets = {
  async serve(path, server) {
    await listenUnix(path, () => bindServer(server, `unix:${path}`))
    // The server closes what it has bound.
    return { stop: async () => {} }
  },
  address: (path) => `unix:${path}`,
  identity(path) {
    const stat = statSync(path, { throwIfNoEntry: false, bigint: true })
    return stat && `${stat.dev}:${stat.ino}:${stat.ctimeNs}`
  },
  list(directory) {
    try {
      const entries = readdirSync(directory, { withFileTypes: true })
      return entries.filter((entry) => entry.isSocket()).map(({ name }) => name)
    } catch {
      return []
    }
  },
  stop() {},
}

/** Resolves with the port, 0 for a Unix socket. */
export function bindServer(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    )
  })
}
