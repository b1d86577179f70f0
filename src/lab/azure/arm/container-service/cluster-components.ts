import { Refusal } from '../../http/refusal.ts'
import type { RecordStore } from '../../records/record-store.ts'
import type { ClusterBackend } from './cluster-backend.ts'
import { type GivenProperties, secretsProviderOf } from './cluster-body.ts'
import type { Cluster } from './clusters.ts'
import type { NodeGroups } from './node-groups.ts'

/** Stores fields of the cluster's record, and returns the new record. */
export type UpdateCluster = (fields: Partial<Cluster>) => Cluster

export interface ClusterComponentsOptions {
  store: RecordStore
  nodeGroups: NodeGroups
  tenantId: string
}

/** The optional components of a managed cluster: the add-on, and the webhook of workload identity. */
export interface ClusterComponents {
  /** Installs, changes and removes components until the cluster matches its properties. */
  apply(
    backend: ClusterBackend,
    cluster: Cluster,
    options: { imds: string; signal: AbortSignal; updateCluster: UpdateCluster },
  ): Promise<void>
  /** Throws {@link Refusal} when `wanted` disables the add-on while the cluster has classes. */
  refuseWhileInUse(backend: ClusterBackend, before: Cluster, wanted: GivenProperties): Promise<void>
}

export function createClusterComponents(options: ClusterComponentsOptions): ClusterComponents {
  const { store, nodeGroups, tenantId } = options
  return {
    async apply(backend, cluster, { imds, signal, updateCluster }) {
      const addon = secretsProviderOf(cluster.properties)
      if (addon !== undefined) {
        // The nodes have the identity before anything in the cluster requests its tokens.
        store.commit(nodeGroups.setAddonIdentity(cluster, true))
        await backend.setSecretsProvider(cluster.id, { ...addon, imds }, signal)
      } else if (nodeGroups.addonIdentity(cluster) !== undefined) {
        await backend.setSecretsProvider(cluster.id, undefined, signal)
        store.commit(nodeGroups.setAddonIdentity(cluster, false))
      }
      if (cluster.properties.securityProfile?.workloadIdentity?.enabled === true) {
        // Stored before the installation, so that a failed one is removed too.
        updateCluster({ workloadIdentity: true })
        await backend.setWorkloadIdentity(cluster.id, { tenantId }, signal)
      } else if (cluster.workloadIdentity === true) {
        await backend.setWorkloadIdentity(cluster.id, undefined, signal)
        updateCluster({ workloadIdentity: false })
      }
    },
    async refuseWhileInUse(backend, before, wanted) {
      const wasOn = secretsProviderOf(before.properties) !== undefined
      if (!wasOn || secretsProviderOf(wanted) !== undefined) return
      // Kubelet cannot unmount volumes without their driver, so AKS counts the classes first.
      const classes = await backend.secretProviderClasses(before.id)
      if (classes.length === 0) return
      const text = 'AzureKeyvaultSecretsProvider addon cannot be disabled due to more than 0 Secret Provider Classes'
      throw new Refusal(400, 'BadRequest', `${text}: ${classes.join(', ')}`)
    },
  }
}
