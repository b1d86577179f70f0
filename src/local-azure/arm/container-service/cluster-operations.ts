import type { RoleAssignments } from '../../access/role-assignments.ts'
import type { Directory } from '../../directory/directory.ts'
import type { Tenant } from '../../directory/tenant.ts'
import type { Change, RecordStore } from '../../records/record-store.ts'
import { ArmError, resourceNotFound } from '../error-response.ts'
import type { LongOperations } from '../long-operations.ts'
import type { ArmAnswer, ArmCall, ArmOperation } from '../operation.ts'
import { settleLocation } from '../validate.ts'
import type { ClusterBackend } from './cluster-backend.ts'
import { putClusterBody, secretsProviderOf, settleCluster } from './cluster-body.ts'
import { clusterKubeconfig } from './cluster-kubeconfig.ts'
import { type Cluster, type Clusters, refuseWhileChanging, clusterType as type } from './clusters.ts'
import type { NodeGroups } from './node-groups.ts'
import { renderCluster } from './render-cluster.ts'

export interface ClusterOptions {
  store: RecordStore
  tenant: Tenant
  directory: Directory
  roles: RoleAssignments
  clusters: Clusters
  nodeGroups: NodeGroups
  /** Without one, no cluster can be made or used. */
  clusterBackend: ClusterBackend | undefined
  longOperations: LongOperations
}

const provider = 'Microsoft.ContainerService'
const inSubscription = '/subscriptions/:subscription/providers/microsoft.containerservice'
const inGroup = '/subscriptions/:subscription/resourcegroups/:group/providers/microsoft.containerservice'
const onCluster = `${inGroup}/managedclusters/:name`

/** Managed clusters. https://learn.microsoft.com/rest/api/aks/managed-clusters */
export function clusterOperations(options: ClusterOptions): ArmOperation[] {
  const { store, tenant, directory, roles, clusters, nodeGroups, clusterBackend, longOperations } = options
  const render = (cluster: Cluster) => renderCluster(cluster, tenant, nodeGroups)

  function existing(call: ArmCall): Cluster {
    const cluster = clusters.get(call.targetId)
    if (cluster === undefined) throw resourceNotFound(type, call.name('name'), call.name('group'))
    return cluster
  }

  function requireBackend(): ClusterBackend {
    if (clusterBackend !== undefined) return clusterBackend
    throw new ArmError(501, 'NotImplemented', 'This local Azure was started without anything that runs clusters.')
  }

  /** Answers now with a cluster that is changing, and keeps it as settled when `work` is done. */
  function keepWhile(
    changing: Cluster,
    changes: readonly Change[],
    work: (signal: AbortSignal) => Promise<Cluster>,
  ): ArmAnswer {
    store.commit([...changes, clusters.put(changing)])
    const headers = longOperations.start(provider, changing.location, async (signal) => {
      try {
        const done = await work(signal)
        store.commit([clusters.put({ ...done, provisioningState: 'Succeeded' })])
      } catch (error) {
        store.commit([clusters.put({ ...changing, provisioningState: 'Failed' })])
        throw error
      }
    })
    return { status: changing.provisioningState === 'Creating' ? 201 : 200, body: render(changing), headers }
  }

  async function put(call: ArmCall): Promise<ArmAnswer> {
    const backend = requireBackend()
    const { location, tags, sku, identity, properties } = await call.body(putClusterBody)
    if (identity != null && identity.type.toLowerCase() !== 'systemassigned') {
      const message = `The local Azure does not implement clusters with the identity type ${identity.type}, but SystemAssigned.`
      throw new ArmError(501, 'NotImplemented', message)
    }
    const before = clusters.get(call.targetId)
    const settled = {
      location: settleLocation(location, before),
      tags,
      sku,
      properties: settleCluster(properties, before?.properties, backend.kubernetesVersion),
    }
    return before === undefined ? create(call, backend, settled) : update(backend, before, { ...before, ...settled })
  }

  function create(
    call: ArmCall,
    backend: ClusterBackend,
    settled: Pick<Cluster, 'location' | 'tags' | 'sku' | 'properties'>,
  ): ArmAnswer {
    const reason = backend.quotaReached()
    if (reason !== undefined) throw new ArmError(400, 'QuotaExceeded', reason)
    const name = call.name('name')
    const id = `/subscriptions/${call.name('subscription')}/resourceGroups/${call.name('group')}/providers/${type}/${name}`
    const { principal, changes } = directory.addManagedIdentity(name, id)
    const nodeGroup = settled.properties.nodeResourceGroup || `MC_${call.name('group')}_${name}_${settled.location}`
    const creating: Cluster = {
      id,
      name,
      ...settled,
      provisioningState: 'Creating',
      principalId: principal.id,
      nodeGroup,
    }
    return keepWhile(creating, [...changes, ...nodeGroups.create(creating)], async (signal) => {
      const endpoint = await backend.create({ id, name }, signal)
      const created = { ...creating, endpoint }
      await applyAddon(backend, created, signal)
      return created
    })
  }

  async function update(backend: ClusterBackend, before: Cluster, after: Cluster): Promise<ArmAnswer> {
    refuseWhileChanging(before)
    if (before.endpoint === undefined) {
      const message = `The cluster '${before.name}' was never created: delete it, and create it anew.`
      throw new ArmError(409, 'OperationNotAllowed', message)
    }
    const wasOn = secretsProviderOf(before.properties) !== undefined
    if (wasOn && secretsProviderOf(after.properties) === undefined) {
      const inUse = await backend.secretProviderClasses(before.id)
      if (inUse.length > 0) {
        const message = `The add-on azureKeyvaultSecretsProvider cannot be disabled while there are SecretProviderClasses: ${inUse.join(', ')}. Delete them first.`
        throw new ArmError(400, 'BadRequest', message)
      }
      // Another request may have come in the meantime.
      refuseWhileChanging(clusters.get(before.id) ?? before)
    }
    const updating: Cluster = { ...after, provisioningState: 'Updating' }
    return keepWhile(updating, [], async (signal) => {
      await applyAddon(backend, updating, signal)
      return updating
    })
  }

  async function applyAddon(backend: ClusterBackend, cluster: Cluster, signal: AbortSignal): Promise<void> {
    const settings = secretsProviderOf(cluster.properties)
    const had = nodeGroups.addonIdentity(cluster) !== undefined
    if (settings === undefined && !had) return
    // The nodes have the identity before anything in the cluster asks for it.
    if (settings !== undefined) store.commit(nodeGroups.setAddonIdentity(cluster, true))
    await backend.setSecretsProvider(cluster.id, settings, signal)
    if (settings === undefined) store.commit(nodeGroups.setAddonIdentity(cluster, false))
  }

  function remove(call: ArmCall): ArmAnswer {
    const cluster = clusters.get(call.targetId)
    if (cluster === undefined) return { status: 204 }
    refuseWhileChanging(cluster)
    const deleting: Cluster = { ...cluster, provisioningState: 'Deleting' }
    store.commit([clusters.put(deleting)])
    const headers = longOperations.start(provider, cluster.location, async (signal) => {
      try {
        await clusterBackend?.delete(cluster.id, signal)
        store.commit([...nodeGroups.remove(cluster), ...clusters.remove(cluster), ...roles.removeUnder(cluster.id)])
      } catch (error) {
        store.commit([clusters.put({ ...cluster, provisioningState: 'Failed' })])
        throw error
      }
    })
    return { status: 202, headers }
  }

  function credentials(role: 'clusterUser' | 'clusterAdmin', word: string): ArmOperation {
    return {
      operation: `arm.cluster.${word}`,
      method: 'POST',
      path: `${onCluster}/${word.toLowerCase()}`,
      action: `${type}/${word}/action`,
      async run(call) {
        const cluster = existing(call)
        if (cluster.endpoint === undefined) {
          const message = `The cluster '${cluster.name}' does not run: its state is ${cluster.provisioningState}.`
          throw new ArmError(409, 'OperationNotAllowed', message)
        }
        const kubeconfig = clusterKubeconfig(await requireBackend().kubeconfig(cluster.id), cluster, role)
        const value = Buffer.from(kubeconfig).toString('base64')
        return { status: 200, body: { kubeconfigs: [{ name: role, value }] } }
      },
    }
  }

  return [
    { operation: 'arm.cluster.put', method: 'PUT', path: onCluster, action: `${type}/write`, run: put },
    {
      operation: 'arm.cluster.get',
      method: 'GET',
      path: onCluster,
      action: `${type}/read`,
      run: (call) => ({ status: 200, body: render(existing(call)) }),
    },
    { operation: 'arm.cluster.delete', method: 'DELETE', path: onCluster, action: `${type}/delete`, run: remove },
    {
      operation: 'arm.cluster.listByGroup',
      method: 'GET',
      path: `${inGroup}/managedclusters`,
      action: `${type}/read`,
      run(call) {
        const prefix = `${call.targetId}/`.toLowerCase()
        const inside = clusters.all().filter(({ id }) => id.toLowerCase().startsWith(prefix))
        return { status: 200, body: { value: inside.map(render) } }
      },
    },
    {
      operation: 'arm.cluster.list',
      method: 'GET',
      path: `${inSubscription}/managedclusters`,
      action: `${type}/read`,
      run: () => ({ status: 200, body: { value: clusters.all().map(render) } }),
    },
    credentials('clusterUser', 'listClusterUserCredential'),
    credentials('clusterAdmin', 'listClusterAdminCredential'),
    {
      operation: 'arm.cluster.listVersions',
      method: 'GET',
      path: `${inSubscription}/locations/:location/kubernetesversions`,
      action: 'Microsoft.ContainerService/locations/kubernetesVersions/read',
      run: () => ({ status: 200, body: { values: [versionOf(requireBackend().kubernetesVersion)] } }),
    },
  ]
}

function versionOf(version: string) {
  return {
    version: version.split('.').slice(0, 2).join('.'),
    isDefault: true,
    capabilities: { supportPlan: ['KubernetesOfficial'] },
    patchVersions: { [version]: { upgrades: [] } },
  }
}
