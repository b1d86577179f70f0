import type { RoleAssignments } from '../../access/role-assignments.ts'
import type { Directory } from '../../directory/directory.ts'
import type { Tenant } from '../../directory/tenant.ts'
import { Refusal } from '../../http/refusal.ts'
import type { AssignedIdentity } from '../../imds/choose-identity.ts'
import type { NodeEndpoints } from '../../imds/node-endpoints.ts'
import type { Change, RecordStore } from '../../records/record-store.ts'
import type { Machine } from '../compute/machines.ts'
import { failureOf, type LongOperations } from '../long-operations.ts'
import { groupNameOf } from '../resource-path.ts'
import type { ClusterBackend } from './cluster-backend.ts'
import { createClusterParts, type Learn } from './cluster-parts.ts'
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
 * that every moment has a state that tells what is there. All throw {@link Refusal} while something goes on already.
 */
export interface ClusterLifecycle {
  /** Throws {@link Refusal} `QuotaExceeded`. */
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

const provider = 'Microsoft.ContainerService'
const cutShort = 'The local Azure ended before this was done.'

export function createClusterLifecycle(options: ClusterLifecycleOptions): ClusterLifecycle {
  const { store, directory, roles, clusters, nodeGroups, nodeEndpoints, identitiesOf } = options
  const { longOperations, clusterBackend } = options
  const parts = createClusterParts({ store, nodeGroups, tenantId: options.tenant.tenantId })

  function requireBackend(): ClusterBackend {
    if (clusterBackend !== undefined) return clusterBackend
    throw new Refusal(501, 'NotImplemented', 'This local Azure was started without anything that runs clusters.')
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

  /** Brings up what is to run in a cluster that answers. */
  async function startAndSettle(backend: ClusterBackend, cluster: Cluster, signal: AbortSignal, learn: Learn) {
    const { url: imds } = await openEndpoint(cluster)
    const endpoint = await backend.start({ id: cluster.id, imds }, signal)
    await parts.settle(backend, learn({ endpoint, stopped: false }), { imds, signal, learn })
  }

  function make(backend: ClusterBackend, creating: Cluster, changes: readonly Change[] = []): ClusterChange {
    const work = async (signal: AbortSignal, learn: Learn) => {
      const { port: imdsPort, url: imds } = await openEndpoint(creating)
      const nodeName = nodeGroups.nodeName(creating)
      const endpoint = await backend.create({ id: creating.id, imds, nodeName }, signal)
      await parts.settle(backend, learn({ endpoint, imdsPort }), { imds, signal, learn })
    }
    return begin(creating, work, changes)
  }

  async function refuseAtQuota(backend: ClusterBackend): Promise<void> {
    const reason = await backend.quotaReached()
    if (reason !== undefined) throw new Refusal(400, 'QuotaExceeded', reason)
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
        throw new Refusal(409, 'OperationNotAllowed', message)
      }
      if (before.endpoint === undefined) {
        await refuseAtQuota(backend)
        return make(backend, { ...before, ...spec, provisioningState: 'Creating' })
      }
      await parts.refuseWhileInUse(backend, before, spec.properties)
      // Another request may have come in the meantime.
      refuseWhileChanging(clusters.get(before.id) ?? before)
      const updating: Cluster = { ...before, ...spec, provisioningState: 'Updating' }
      return begin(updating, (signal, learn) => startAndSettle(backend, updating, signal, learn))
    },

    start(cluster) {
      const backend = requireBackend()
      refuseWhileUnmade(cluster)
      const starting: Cluster = { ...cluster, provisioningState: 'Starting' }
      return begin(starting, (signal, learn) => startAndSettle(backend, starting, signal, learn))
    },

    stop(cluster) {
      const backend = requireBackend()
      refuseWhileUnmade(cluster)
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

/** Throws {@link Refusal} for a cluster that is changing, or of which there is nothing but its record. */
function refuseWhileUnmade(cluster: Cluster): void {
  refuseWhileChanging(cluster)
  if (cluster.endpoint !== undefined) return
  const message = `The cluster '${cluster.name}' was never made. Its state is ${cluster.provisioningState}: update it, or delete it.`
  throw new Refusal(409, 'OperationNotAllowed', message)
}
