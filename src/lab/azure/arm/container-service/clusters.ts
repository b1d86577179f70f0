import type { Directory } from '../../directory/directory.ts'
import { Refusal } from '../../http/refusal.ts'
import type { Change, RecordStore } from '../../records/record-store.ts'
import type { ResourceKind } from '../resource-kind.ts'
import type { ClusterEndpoint } from './cluster-backend.ts'
import type { GivenProperties } from './cluster-body.ts'

/** Record of a managed cluster in Resource Manager. A {@link ClusterBackend} runs it. */
export interface Cluster {
  id: string
  name: string
  location: string
  tags: Record<string, string>
  sku?: unknown
  properties: GivenProperties
  provisioningState: 'Creating' | 'Updating' | 'Starting' | 'Stopping' | 'Deleting' | 'Succeeded' | 'Failed'
  /** Object id of the control plane's identity. */
  principalId: string
  /** Name of the group that holds its machines and identities. */
  nodeGroup: string
  /** Set once the cluster was created. */
  endpoint?: ClusterEndpoint | undefined
  /** Why the last change failed. */
  failure?: { code: string; message: string } | undefined
  /** True between `az aks stop` and `az aks start`. */
  stopped?: boolean | undefined
  /** True from the installation of the webhook of workload identity until its removal. */
  workloadIdentity?: boolean | undefined
  /** Port of the metadata service for its nodes. */
  imdsPort?: number | undefined
}

export interface Clusters {
  get(id: string): Cluster | undefined
  all(): Cluster[]
  put(cluster: Cluster): Change
  /** The changes that remove the cluster and its identity. */
  remove(cluster: Cluster): Change[]
}

export const clusterType = 'Microsoft.ContainerService/managedClusters'

/** @param removeBindings returns the changes that remove the identity bindings of the cluster with this id. */
export function createClusters(
  store: RecordStore,
  directory: Directory,
  removeBindings: (clusterId: string) => Change[],
): Clusters {
  const collection = store.collection<Cluster>('managed-clusters')
  return {
    get: (id) => collection.get(id.toLowerCase()),
    all: () => [...collection.values()],
    put: (cluster) => collection.put(cluster.id.toLowerCase(), cluster),
    remove({ id, principalId }) {
      const principal = directory.servicePrincipal(principalId)
      const ofPrincipal = principal === undefined ? [] : directory.removePrincipal(principal)
      return [...ofPrincipal, ...removeBindings(id), collection.remove(id.toLowerCase())]
    },
  }
}

/** PEM of the authority of the cluster's token issuer, if the issuer is enabled. */
export function issuerAuthority({ properties, endpoint }: Cluster): string[] {
  const { issuerCa } = endpoint ?? {}
  return properties.oidcIssuerProfile?.enabled === true && issuerCa !== undefined ? [issuerCa] : []
}

export function isChanging({ provisioningState }: Cluster): boolean {
  return provisioningState.endsWith('ing')
}

/** Throws {@link Refusal} 409 while a change of the cluster is in progress. */
export function refuseWhileChanging(cluster: Cluster): void {
  if (!isChanging(cluster)) return
  const { name, provisioningState } = cluster
  const message = `Operation is not allowed: Another operation (${provisioningState}) is in progress on the cluster '${name}', please wait for it to finish before starting a new operation.`
  throw new Refusal(409, 'OperationNotAllowed', message)
}

/**
 * Clusters as a kind of resource, for the groups that contain them.
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
