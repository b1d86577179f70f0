import { errorMessage, type Log, type Running } from '#lib'
import type { AssignedIdentity } from './choose-identity.ts'
import type { ImdsServer } from './server.ts'

/**
 * IMDS for the nodes of clusters. A node of Azure is known by the wire that its request comes on; the nodes of the lab share
 * one machine, so each cluster has a port of its own, which its pods are told and which answers for its nodes alone.
 */
export interface NodeEndpoints extends Running {
  /**
   * Answers for the nodes of a cluster, on `port` if that is free (0: any). One that is open stays as it is.
   * @param assigned the identities that the nodes have, asked at each request.
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
  listen(port: number, assigned: () => readonly AssignedIdentity[]): Promise<ImdsServer & NodeEndpoint>
  log: Log
}

export function createNodeEndpoints({ listen, log }: NodeEndpointsOptions): NodeEndpoints {
  const servers = new Map<string, ImdsServer & NodeEndpoint>()
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
