import type { RoleAssignments } from '../../access/role-assignments.ts'
import type { Directory } from '../../directory/directory.ts'
import type { Tenant } from '../../directory/tenant.ts'
import type { AssignedIdentity } from '../../imds/choose-identity.ts'
import type { NodeEndpoints } from '../../imds/node-endpoints.ts'
import type { Change, RecordStore } from '../../records/record-store.ts'
import type { Machine } from '../compute/machines.ts'
import { ArmError } from '../error-response.ts'
import { failureOf, type LongOperations } from '../long-operations.ts'
import { groupNameOf } from '../resource-path.ts'
import type { ClusterBackend } from './cluster-backend.ts'
import { secretsProviderOf } from './cluster-body.ts'
import { type Cluster, type Clusters, isChanging, refuseWhileChanging } from './clusters.ts'
import type { NodeGroups } from './node-groups.ts'

export interface ClusterLifecycleOptions {
  tenant: Tenant
  store: RecordStore
  directory: Directory
  roles: RoleAssignments
  clusters: Clusters
  nodeGroups: NodeGroups
  nodeEndpoints: NodeEndpoints
  /** The identities that machines have, for IMDS. */
  identitiesOf: (machines: readonly Machine[]) => readonly AssignedIdentity[]
  longOperations: LongOperations
  /** Without one, clusters can be forgotten, and nothing else. */
  clusterBackend: ClusterBackend | undefined
}

/** What is asked of a cluster by whoever writes it. */
export type ClusterSpec = Pick<Cluster, 'location' | 'tags' | 'sku' | 'properties'>

/** Work that goes on, and the cluster as it is shown meanwhile. */
export interface ClusterChange {
  cluster: Cluster
  /** Where to ask how the work goes. */
  headers: Record<string, string>
}

/**
 * What happens to clusters, in the background: each record is marked before the work begins and settled when it ends, so
 * that every moment has a state that tells what is there. All throw {@link ArmError} while something goes on already.
 */
export interface ClusterLifecycle {
  /** Throws {@link ArmError} `QuotaExceeded`. */
  create(
    id: { subscription: string; group: string; name: string; id: string },
    spec: ClusterSpec,
  ): Promise<ClusterChange>
  /** Brings the cluster to `spec`; one whose making failed is made now. */
  update(cluster: Cluster, spec: ClusterSpec): Promise<ClusterChange>
  start(cluster: Cluster): ClusterChange
  stop(cluster: Cluster): ClusterChange
  delete(cluster: Cluster): ClusterChange
  /** Stops the cluster and removes the group of its nodes, before its own group is deleted. */
  retire(cluster: Cluster): Promise<void>
  /** Settles what the end of the last process cut short, and opens the ports that nodes know. Called once, at the start. */
  resume(): Promise<void>
}

/** Keeps what became known of the cluster. */
type Learn = (news: Partial<Cluster>) => Cluster

const provider = 'Microsoft.ContainerService'
const cutShort = 'The local Azure ended before this was done.'

export function createClusterLifecycle(options: ClusterLifecycleOptions): ClusterLifecycle {
  const { store, directory, roles, clusters, nodeGroups, nodeEndpoints, identitiesOf } = options
  const { longOperations, clusterBackend } = options
  const { tenantId } = options.tenant

  function requireBackend(): ClusterBackend {
    if (clusterBackend !== undefined) return clusterBackend
    throw new ArmError(501, 'NotImplemented', 'This local Azure was started without anything that runs clusters.')
  }

  const keep = (cluster: Cluster, changes: readonly Change[] = []): Cluster => {
    store.commit([...changes, clusters.put(cluster)])
    return cluster
  }

  /** Shows `cluster` as changing, and settles it when `work` is done; what `work` finds out on its way goes through `learn`. */
  function begin(
    cluster: Cluster,
    work: (signal: AbortSignal, learn: Learn) => Promise<unknown>,
    changes: readonly Change[] = [],
  ): ClusterChange {
    let latest = keep(cluster, changes)
    const learn = (news: Partial<Cluster>) => {
      latest = keep({ ...latest, ...news })
      return latest
    }
    const headers = longOperations.start(provider, cluster.location, async (signal) => {
      try {
        await work(signal, learn)
        learn({ provisioningState: 'Succeeded', failure: undefined })
      } catch (error) {
        learn({ provisioningState: 'Failed', failure: failureOf(error) })
        throw error
      }
    })
    return { cluster, headers }
  }

  function openEndpoint(cluster: Cluster) {
    return nodeEndpoints.open(cluster.id, cluster.imdsPort ?? 0, () => {
      const scaleSet = nodeGroups.nodeScaleSet(cluster)
      return scaleSet === undefined ? [] : identitiesOf([scaleSet])
    })
  }

  /** The add-on as the cluster's properties want it. */
  async function settleAddon(cluster: Cluster, signal: AbortSignal): Promise<void> {
    const settings = secretsProviderOf(cluster.properties)
    if (settings === undefined) {
      if (nodeGroups.addonIdentity(cluster) === undefined) return
      await requireBackend().setSecretsProvider(cluster.id, undefined, signal)
      store.commit(nodeGroups.setAddonIdentity(cluster, false))
      return
    }
    // The nodes have the identity before anything in the cluster asks for it.
    store.commit(nodeGroups.setAddonIdentity(cluster, true))
    const { url: imds } = await openEndpoint(cluster)
    await requireBackend().setSecretsProvider(cluster.id, { ...settings, imds }, signal)
  }

  async function settleWorkloadIdentity(cluster: Cluster, signal: AbortSignal, learn: Learn): Promise<void> {
    const wanted = cluster.properties.securityProfile?.workloadIdentity?.enabled === true
    if (!wanted && cluster.workloadIdentity !== true) return
    // Before the work: what it leaves half done must be taken out again.
    if (wanted) learn({ workloadIdentity: true })
    await requireBackend().setWorkloadIdentity(cluster.id, wanted ? { tenantId } : undefined, signal)
    if (!wanted) learn({ workloadIdentity: false })
  }

  /** What is to run in the cluster, as its properties want it. */
  async function settleParts(cluster: Cluster, signal: AbortSignal, learn: Learn): Promise<void> {
    await Promise.all([settleAddon(cluster, signal), settleWorkloadIdentity(cluster, signal, learn)])
  }

  function make(backend: ClusterBackend, creating: Cluster, changes: readonly Change[] = []): ClusterChange {
    const work = async (signal: AbortSignal, learn: Learn) => {
      const { port: imdsPort, url: imds } = await openEndpoint(creating)
      const nodeName = nodeGroups.nodeName(creating)
      const endpoint = await backend.create({ id: creating.id, imds, nodeName }, signal)
      await settleParts(learn({ endpoint, imdsPort }), signal, learn)
    }
    return begin(creating, work, changes)
  }

  async function refuseAtQuota(backend: ClusterBackend): Promise<void> {
    const reason = await backend.quotaReached()
    if (reason !== undefined) throw new ArmError(400, 'QuotaExceeded', reason)
  }

  /** Kubelet could not take down volumes of a driver that is gone, so AKS counts the classes first. */
  async function refuseWhileClassesExist(backend: ClusterBackend, before: Cluster, wanted: ClusterSpec): Promise<void> {
    const wasOn = secretsProviderOf(before.properties) !== undefined
    if (!wasOn || secretsProviderOf(wanted.properties) !== undefined) return
    const classes = await backend.secretProviderClasses(before.id)
    if (classes.length === 0) return
    const text = 'AzureKeyvaultSecretsProvider addon cannot be disabled due to more than 0 Secret Provider Classes'
    throw new ArmError(400, 'BadRequest', `${text}: ${classes.join(', ')}`)
  }

  const forget = (cluster: Cluster) => [
    ...nodeGroups.remove(cluster),
    ...clusters.remove(cluster),
    ...roles.removeUnder(cluster.id),
  ]

  function remove(cluster: Cluster): ClusterChange {
    const deleting = keep({ ...cluster, provisioningState: 'Deleting' })
    const headers = longOperations.start(provider, cluster.location, async () => {
      try {
        await clusterBackend?.delete(cluster.id)
        await nodeEndpoints.close(cluster.id)
      } catch (error) {
        keep({ ...cluster, provisioningState: 'Failed', failure: failureOf(error) })
        throw error
      }
      store.commit(forget(cluster))
    })
    return { cluster: deleting, headers }
  }

  function discard({ id, location }: Cluster): void {
    longOperations.start(provider, location, async () => clusterBackend?.delete(id))
  }

  return {
    async create({ subscription, group, name, id }, spec) {
      const backend = requireBackend()
      await refuseAtQuota(backend)
      const other = clusters.get(id)
      if (other !== undefined) refuseWhileChanging(other)
      const { principal, changes } = directory.addManagedIdentity(name, id)
      const creating: Cluster = {
        id: `/subscriptions/${subscription}/resourceGroups/${group}/providers/${provider}/managedClusters/${name}`,
        name,
        ...spec,
        provisioningState: 'Creating',
        principalId: principal.id,
        nodeGroup: spec.properties.nodeResourceGroup || `MC_${group}_${name}_${spec.location}`,
      }
      return make(backend, creating, [...changes, ...nodeGroups.create(creating)])
    },

    async update(before, spec) {
      const backend = requireBackend()
      refuseWhileChanging(before)
      if (before.stopped === true) {
        const message = `Operation is not allowed: the cluster '${groupNameOf(before.id)}/${before.name}' is stopped. Start it first.`
        throw new ArmError(409, 'OperationNotAllowed', message)
      }
      if (before.endpoint === undefined) {
        await refuseAtQuota(backend)
        return make(backend, { ...before, ...spec, provisioningState: 'Creating' })
      }
      await refuseWhileClassesExist(backend, before, spec)
      // Another request may have come in the meantime.
      refuseWhileChanging(clusters.get(before.id) ?? before)
      return begin({ ...before, ...spec, provisioningState: 'Updating' }, async (signal, learn) => {
        const { url: imds } = await openEndpoint(before)
        const endpoint = await backend.start({ id: before.id, imds }, signal)
        await settleParts(learn({ endpoint }), signal, learn)
      })
    },

    start(cluster) {
      const backend = requireBackend()
      refuseWhileChanging(cluster)
      return begin({ ...cluster, provisioningState: 'Starting' }, async (signal, learn) => {
        const { url: imds } = await openEndpoint(cluster)
        const endpoint = await backend.start({ id: cluster.id, imds }, signal)
        await settleParts(learn({ endpoint, stopped: false }), signal, learn)
      })
    },

    stop(cluster) {
      const backend = requireBackend()
      refuseWhileChanging(cluster)
      return begin({ ...cluster, provisioningState: 'Stopping' }, async (_signal, learn) => {
        await backend.stop(cluster.id)
        learn({ stopped: true })
      })
    },

    delete(cluster) {
      refuseWhileChanging(cluster)
      return remove(cluster)
    },

    async retire(cluster) {
      refuseWhileChanging(cluster)
      await clusterBackend?.delete(cluster.id)
      await nodeEndpoints.close(cluster.id)
      store.commit(nodeGroups.remove(cluster))
    },

    async resume() {
      for (const cluster of clusters.all()) {
        if (cluster.imdsPort !== undefined) {
          const { port: imdsPort } = await openEndpoint(cluster)
          if (imdsPort !== cluster.imdsPort) keep({ ...cluster, imdsPort })
        }
      }
      for (const cluster of clusters.all().filter(isChanging)) {
        if (cluster.provisioningState === 'Deleting') remove(cluster)
        else {
          keep({ ...cluster, provisioningState: 'Failed', failure: failureOf(new Error(cutShort)) })
          // What was begun and is not known to have come up is nothing that anybody can use.
          if (cluster.endpoint === undefined) discard(cluster)
        }
      }
    },
  }
}
