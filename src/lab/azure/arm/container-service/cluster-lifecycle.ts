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
import { type ClusterBackend, requireBackend } from './cluster-backend.ts'
import { type ClusterComponents, createClusterComponents, type UpdateCluster } from './cluster-components.ts'
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
  /** The identities of machines, for IMDS. */
  identitiesOf: (machines: readonly Machine[]) => readonly AssignedIdentity[]
  longOperations: LongOperations
  /** Without one, records of clusters can be deleted, and nothing else works. */
  clusterBackend: ClusterBackend | undefined
}

/** The fields of a cluster that a client writes. */
export type ClusterSpec = Pick<Cluster, 'location' | 'tags' | 'sku' | 'properties'>

/** Work in the background, and the cluster as it is shown meanwhile. */
export interface ClusterChange {
  cluster: Cluster
  /** Headers with the URL of the operation's status. */
  headers: Record<string, string>
}

/**
 * Changes clusters in the background. The record is marked before the work begins and again when it ends, so that its state
 * is right at any moment, also after a crash. All methods throw {@link Refusal} while another change is in progress.
 */
export interface ClusterLifecycle {
  /** Throws {@link Refusal} `QuotaExceeded`. */
  create(path: ClusterPath, spec: ClusterSpec): Promise<ClusterChange>
  /** Changes the cluster to `spec`. Creates a cluster whose creation failed. */
  update(cluster: Cluster, spec: ClusterSpec): Promise<ClusterChange>
  start(cluster: Cluster): ClusterChange
  stop(cluster: Cluster): ClusterChange
  delete(cluster: Cluster): ClusterChange
  /** Stops the cluster and removes the group of its nodes, before its own group is deleted. */
  retire(cluster: Cluster): Promise<void>
  /** Ends the changes that the last process did not finish, and opens the ports that nodes use. Called once, at the start. */
  resume(): Promise<void>
}

export interface ClusterPath {
  /** In the caller's casing. */
  id: string
  subscription: string
  group: string
  name: string
}

interface State extends ClusterLifecycleOptions {
  components: ClusterComponents
}

const provider = 'Microsoft.ContainerService'

export function createClusterLifecycle(options: ClusterLifecycleOptions): ClusterLifecycle {
  const { store, nodeGroups, tenant } = options
  const components = createClusterComponents({ store, nodeGroups, tenantId: tenant.tenantId })
  const state: State = { ...options, components }
  return {
    create: (path, spec) => create(state, path, spec),
    update: (before, spec) => update(state, before, spec),
    start: (cluster) => start(state, cluster),
    stop: (cluster) => stop(state, cluster),
    delete(cluster) {
      refuseWhileChanging(cluster)
      return remove(state, cluster)
    },
    retire: (cluster) => retire(state, cluster),
    resume: () => resume(state),
  }
}

async function create(state: State, path: ClusterPath, spec: ClusterSpec): Promise<ClusterChange> {
  const { subscription, group, name, id } = path
  const backend = requireBackend(state.clusterBackend)
  await refuseAtQuota(backend)
  const other = state.clusters.get(id)
  if (other !== undefined) refuseWhileChanging(other)
  const { principal, changes } = state.directory.addManagedIdentity(name, id)
  const creating: Cluster = {
    id: `/subscriptions/${subscription}/resourceGroups/${group}/providers/${provider}/managedClusters/${name}`,
    name,
    ...spec,
    provisioningState: 'Creating',
    principalId: principal.id,
    nodeGroup: spec.properties.nodeResourceGroup || `MC_${group}_${name}_${spec.location}`,
  }
  return beginCreation(state, backend, creating, [...changes, ...state.nodeGroups.create(creating)])
}

async function refuseAtQuota(backend: ClusterBackend): Promise<void> {
  const reason = await backend.quotaReached()
  if (reason !== undefined) throw new Refusal(400, 'QuotaExceeded', reason)
}

function beginCreation(
  state: State,
  backend: ClusterBackend,
  creating: Cluster,
  changes: readonly Change[] = [],
): ClusterChange {
  const work = async (signal: AbortSignal, updateCluster: UpdateCluster) => {
    const { port: imdsPort, url: imds } = await openEndpoint(state, creating)
    const nodeName = state.nodeGroups.nodeName(creating)
    const endpoint = await backend.create({ id: creating.id, imds, nodeName }, signal)
    await state.components.apply(backend, updateCluster({ endpoint, imdsPort }), { imds, signal, updateCluster })
  }
  return begin(state, creating, work, changes)
}

/** Stores `cluster`, whose state is a changing one, and stores the outcome when `work` is done. */
function begin(
  state: State,
  cluster: Cluster,
  work: (signal: AbortSignal, updateCluster: UpdateCluster) => Promise<unknown>,
  changes: readonly Change[] = [],
): ClusterChange {
  let latest = put(state, cluster, changes)
  const updateCluster = (fields: Partial<Cluster>) => {
    latest = put(state, { ...latest, ...fields })
    return latest
  }
  const headers = state.longOperations.start(provider, cluster.location, async (signal) => {
    try {
      await work(signal, updateCluster)
      updateCluster({ provisioningState: 'Succeeded', failure: undefined })
    } catch (error) {
      updateCluster({ provisioningState: 'Failed', failure: failureOf(error) })
      throw error
    }
  })
  return { cluster, headers }
}

function put({ store, clusters }: State, cluster: Cluster, changes: readonly Change[] = []): Cluster {
  store.commit([...changes, clusters.put(cluster)])
  return cluster
}

/** IMDS for the nodes of a cluster. */
function openEndpoint({ nodeEndpoints, nodeGroups, identitiesOf }: State, cluster: Cluster) {
  return nodeEndpoints.open(cluster.id, cluster.imdsPort ?? 0, () => {
    const scaleSet = nodeGroups.nodeScaleSet(cluster)
    return scaleSet === undefined ? [] : identitiesOf([scaleSet])
  })
}

async function update(state: State, before: Cluster, spec: ClusterSpec): Promise<ClusterChange> {
  const backend = requireBackend(state.clusterBackend)
  refuseWhileChanging(before)
  if (before.stopped === true) {
    const message = `Operation is not allowed: the cluster '${groupNameOf(before.id)}/${before.name}' is stopped. Start it first.`
    throw new Refusal(409, 'OperationNotAllowed', message)
  }
  if (before.endpoint === undefined) {
    await refuseAtQuota(backend)
    return beginCreation(state, backend, { ...before, ...spec, provisioningState: 'Creating' })
  }
  await state.components.refuseWhileInUse(backend, before, spec.properties)
  // Another request may have begun a change during the await.
  refuseWhileChanging(state.clusters.get(before.id) ?? before)
  const updating: Cluster = { ...before, ...spec, provisioningState: 'Updating' }
  return beginStart(state, backend, updating)
}

function start(state: State, cluster: Cluster): ClusterChange {
  const backend = requireBackend(state.clusterBackend)
  refuseWithoutEndpoint(cluster)
  return beginStart(state, backend, { ...cluster, provisioningState: 'Starting' })
}

/** Throws {@link Refusal} for a cluster that is changing, or that was never created. */
function refuseWithoutEndpoint(cluster: Cluster): void {
  refuseWhileChanging(cluster)
  if (cluster.endpoint !== undefined) return
  const message = `The cluster '${cluster.name}' was never created. Its state is ${cluster.provisioningState}: update it, or delete it.`
  throw new Refusal(409, 'OperationNotAllowed', message)
}

/** Starts the cluster, if it is not running, and applies its properties. */
function beginStart(state: State, backend: ClusterBackend, cluster: Cluster): ClusterChange {
  return begin(state, cluster, async (signal, updateCluster) => {
    const { url: imds } = await openEndpoint(state, cluster)
    const endpoint = await backend.start({ id: cluster.id, imds }, signal)
    const started = updateCluster({ endpoint, stopped: false })
    await state.components.apply(backend, started, { imds, signal, updateCluster })
  })
}

function stop(state: State, cluster: Cluster): ClusterChange {
  const backend = requireBackend(state.clusterBackend)
  refuseWithoutEndpoint(cluster)
  return begin(state, { ...cluster, provisioningState: 'Stopping' }, async (_signal, updateCluster) => {
    await backend.stop(cluster.id)
    updateCluster({ stopped: true })
  })
}

function remove(state: State, cluster: Cluster): ClusterChange {
  const deleting = put(state, { ...cluster, provisioningState: 'Deleting' })
  const headers = state.longOperations.start(provider, cluster.location, async () => {
    try {
      await state.clusterBackend?.delete(cluster.id)
      await state.nodeEndpoints.close(cluster.id)
    } catch (error) {
      put(state, { ...cluster, provisioningState: 'Failed', failure: failureOf(error) })
      throw error
    }
    state.store.commit([
      ...state.nodeGroups.remove(cluster),
      ...state.clusters.remove(cluster),
      ...state.roles.removeUnder(cluster.id),
    ])
  })
  return { cluster: deleting, headers }
}

async function retire({ clusterBackend, nodeEndpoints, nodeGroups, store }: State, cluster: Cluster): Promise<void> {
  refuseWhileChanging(cluster)
  await clusterBackend?.delete(cluster.id)
  await nodeEndpoints.close(cluster.id)
  store.commit(nodeGroups.remove(cluster))
}

async function resume(state: State): Promise<void> {
  for (const cluster of state.clusters.all()) {
    if (cluster.imdsPort === undefined) continue
    const { port: imdsPort } = await openEndpoint(state, cluster)
    if (imdsPort !== cluster.imdsPort) put(state, { ...cluster, imdsPort })
  }
  for (const cluster of state.clusters.all().filter(isChanging)) {
    if (cluster.provisioningState === 'Deleting') remove(state, cluster)
    else fail(state, cluster)
  }
}

/** Ends a change that the last process did not finish. */
function fail(state: State, cluster: Cluster): void {
  const failure = failureOf(new Error('The local Azure was stopped before this operation finished.'))
  put(state, { ...cluster, provisioningState: 'Failed', failure })
  // Without an endpoint, what was created so far cannot be used.
  if (cluster.endpoint !== undefined) return
  state.longOperations.start(provider, cluster.location, async () => state.clusterBackend?.delete(cluster.id))
}
