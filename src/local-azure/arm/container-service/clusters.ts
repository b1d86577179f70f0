import type { Directory } from '../../directory/directory.ts'
import type { Change, RecordStore } from '../../records/record-store.ts'
import { ArmError } from '../error-response.ts'
import type { ResourceKind } from '../resource-kind.ts'
import type { ClusterEndpoint } from './cluster-backend.ts'
import type { GivenProperties } from './cluster-body.ts'

/** A managed cluster as Resource Manager knows it. What runs behind it is the {@link ClusterBackend}'s. */
export interface Cluster {
  id: string
  name: string
  location: string
  tags: Record<string, string>
  sku?: unknown
  properties: GivenProperties
  provisioningState: 'Creating' | 'Updating' | 'Deleting' | 'Succeeded' | 'Failed'
  /** Object id of the control plane's identity. */
  principalId: string
  /** Name of the group that holds its machines and identities. */
  nodeGroup: string
  /** Known once it runs. */
  endpoint?: ClusterEndpoint | undefined
}

export interface Clusters {
  get(id: string): Cluster | undefined
  all(): Cluster[]
  put(cluster: Cluster): Change
  /** The changes that remove the cluster and its identity. */
  remove(cluster: Cluster): Change[]
}

export const clusterType = 'Microsoft.ContainerService/managedClusters'

/** Clusters whose work was cut short by the end of the last process are settled as failed. */
export function createClusters(store: RecordStore, directory: Directory): Clusters {
  const collection = store.collection<Cluster>('managed-clusters')
  const put = (cluster: Cluster) => collection.put(cluster.id.toLowerCase(), cluster)
  const unfinished = [...collection.values()].filter(({ provisioningState }) => provisioningState.endsWith('ing'))
  store.commit(unfinished.map((cluster) => put({ ...cluster, provisioningState: 'Failed' })))
  return {
    get: (id) => collection.get(id.toLowerCase()),
    all: () => [...collection.values()],
    put,
    remove({ id, principalId }) {
      const principal = directory.servicePrincipal(principalId)
      const ofPrincipal = principal === undefined ? [] : directory.removePrincipal(principal)
      return [...ofPrincipal, collection.remove(id.toLowerCase())]
    },
  }
}

/** Throws {@link ArmError} 409 while something goes on with the cluster. */
export function refuseWhileChanging({ name, provisioningState }: Cluster): void {
  if (!provisioningState.endsWith('ing')) return
  const message = `Operation is not allowed: Another operation (${provisioningState}) is in progress on the cluster '${name}', please wait for it to finish before starting a new operation.`
  throw new ArmError(409, 'OperationNotAllowed', message)
}

/**
 * Clusters as a kind of resource: what a group holds and deletes.
 * @param retire stops the cluster and removes the group of its nodes.
 */
export function clusterKind(clusters: Clusters, retire: (cluster: Cluster) => Promise<void>): ResourceKind {
  return {
    type: clusterType,
    all: () => clusters.all().map(({ id, name, location, tags }) => ({ id, name, type: clusterType, location, tags })),
    async retire(id) {
      const cluster = clusters.get(id)
      if (cluster !== undefined) await retire(cluster)
    },
    delete(id) {
      const cluster = clusters.get(id)
      return cluster === undefined ? [] : clusters.remove(cluster)
    },
  }
}
