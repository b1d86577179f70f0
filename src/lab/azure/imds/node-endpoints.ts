import { errorMessage, type Log, type Running } from '#lib'
import type { Listening } from '#lib/http'
import type { AssignedIdentity } from './choose-identity.ts'

/**
 * IMDS for the nodes of clusters. Azure recognizes a node by its network; the nodes of the lab share one machine, so each
 * cluster has its own port, which its pods are configured with and which answers for its nodes only.
 */
export interface NodeEndpoints extends Running {
  /**
   * Answers for the nodes of a cluster, on `port` if it is free (0: any). Does nothing when it is open already.
   * @param assigned the identities of the nodes, called at each request.
   */
  open(clusterId: string, port: number, assigned: () => readonly AssignedIdentity[]): Promise<NodeEndpoint>
  close(clusterId: string): Promise<void>
}

export interface NodeEndpoint {
  /** For `AZURE_POD_IDENTITY_AUTHORITY_HOST`. */
  url: string
  port: number
}

export interface NodeEndpointsOptions {
  /** Starts a server for machines with these identities. */
  listen(port: number, assigned: () => readonly AssignedIdentity[]): Promise<Listening & NodeEndpoint>
  log: Log
}

export function createNodeEndpoints({ listen, log }: NodeEndpointsOptions): NodeEndpoints {
  const servers = new Map<string, Listening & NodeEndpoint>()
  return {
    async open(clusterId, port, assigned) {
      const key = clusterId.toLowerCase()
      const open = servers.get(key)
      if (open !== undefined) return open
      const server = await listen(port, assigned).catch((error: unknown) => {
        if (port === 0) throw error
        log.warn(
          { clusterId, port, reason: errorMessage(error) },
          'the metadata service of a cluster moves to another port',
        )
        return listen(0, assigned)
      })
      servers.set(key, server)
      return server
    },
    async close(clusterId) {
      const key = clusterId.toLowerCase()
      await servers.get(key)?.stop()
      servers.delete(key)
    },
    async stop() {
      await Promise.all([...servers.values()].map((server) => server.stop()))
    },
  }
}
