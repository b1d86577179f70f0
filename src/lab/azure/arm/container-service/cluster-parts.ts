import { Refusal } from '../../http/refusal.ts'
import type { RecordStore } from '../../records/record-store.ts'
import type { ClusterBackend } from './cluster-backend.ts'
import { type GivenProperties, secretsProviderOf } from './cluster-body.ts'
import type { Cluster } from './clusters.ts'
import type { NodeGroups } from './node-groups.ts'

/** Keeps what became known of a cluster, and gives it as it now is. */
export type Learn = (news: Partial<Cluster>) => Cluster

export interface ClusterPartsOptions {
  store: RecordStore
  nodeGroups: NodeGroups
  tenantId: string
}

/** What runs in a managed cluster at its owner's wish: the add-on, and the webhook of workload identity. */
export interface ClusterParts {
  /** Installs, changes and removes, until the cluster is as its properties say. */
  settle(
    backend: ClusterBackend,
    cluster: Cluster,
    options: { imds: string; signal: AbortSignal; learn: Learn },
  ): Promise<void>
  /** Throws {@link Refusal} when `wanted` would take the add-on away from classes that there are. */
  refuseWhileInUse(backend: ClusterBackend, before: Cluster, wanted: GivenProperties): Promise<void>
}

export function createClusterParts({ store, nodeGroups, tenantId }: ClusterPartsOptions): ClusterParts {
  const settle: ClusterParts['settle'] = async (backend, cluster, { imds, signal, learn }) => {
    const addon = secretsProviderOf(cluster.properties)
    if (addon !== undefined) {
      // The nodes have the identity before anything in the cluster asks for it.
      store.commit(nodeGroups.setAddonIdentity(cluster, true))
      await backend.setSecretsProvider(cluster.id, { ...addon, imds }, signal)
    } else if (nodeGroups.addonIdentity(cluster) !== undefined) {
      await backend.setSecretsProvider(cluster.id, undefined, signal)
      store.commit(nodeGroups.setAddonIdentity(cluster, false))
    }
    if (cluster.properties.securityProfile?.workloadIdentity?.enabled === true) {
      // Before the work: what it leaves half done must be taken out again.
      learn({ workloadIdentity: true })
      await backend.setWorkloadIdentity(cluster.id, { tenantId }, signal)
    } else if (cluster.workloadIdentity === true) {
      await backend.setWorkloadIdentity(cluster.id, undefined, signal)
      learn({ workloadIdentity: false })
    }
  }

  return {
    settle,
    async refuseWhileInUse(backend, before, wanted) {
      const wasOn = secretsProviderOf(before.properties) !== undefined
      if (!wasOn || secretsProviderOf(wanted) !== undefined) return
      // Kubelet could not take down volumes of a driver that is gone, so AKS counts the classes first.
      const classes = await backend.secretProviderClasses(before.id)
      if (classes.length === 0) return
      const text = 'AzureKeyvaultSecretsProvider addon cannot be disabled due to more than 0 Secret Provider Classes'
      throw new Refusal(400, 'BadRequest', `${text}: ${classes.join(', ')}`)
    },
  }
}
