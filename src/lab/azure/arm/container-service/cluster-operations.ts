import type { Tenant } from '../../directory/tenant.ts'
import { Refusal } from '../../http/refusal.ts'
import { resourceNotFound } from '../error-response.ts'
import type { ArmAnswer, ArmCall, ArmOperation } from '../operation.ts'
import { settleLocation } from '../validate.ts'
import type { ClusterBackend } from './cluster-backend.ts'
import { putClusterBody, settleCluster } from './cluster-body.ts'
import { clusterKubeconfig } from './cluster-kubeconfig.ts'
import type { ClusterChange, ClusterLifecycle } from './cluster-lifecycle.ts'
import { type Cluster, type Clusters, clusterType as type } from './clusters.ts'
import type { NodeGroups } from './node-groups.ts'
import { renderCluster, renderPools, renderUpgrades, renderVersion } from './render-cluster.ts'

export interface ClusterOptions {
  tenant: Tenant
  clusters: Clusters
  nodeGroups: NodeGroups
  lifecycle: ClusterLifecycle
  /** Without one, no cluster can be made or used. */
  clusterBackend: ClusterBackend | undefined
}

const inSubscription = '/subscriptions/:subscription/providers/microsoft.containerservice'
const inGroup = '/subscriptions/:subscription/resourcegroups/:group/providers/microsoft.containerservice'
const onCluster = `${inGroup}/managedclusters/:name`

/** Managed clusters. https://learn.microsoft.com/rest/api/aks/managed-clusters */
export function clusterOperations({
  tenant,
  clusters,
  nodeGroups,
  lifecycle,
  clusterBackend,
}: ClusterOptions): ArmOperation[] {
  const render = (cluster: Cluster) => renderCluster(cluster, tenant, nodeGroups)

  function existing(call: ArmCall): Cluster {
    const cluster = clusters.get(call.targetId)
    if (cluster === undefined) throw resourceNotFound(type, call.name('name'), call.name('group'))
    return cluster
  }

  function requireBackend(): ClusterBackend {
    if (clusterBackend !== undefined) return clusterBackend
    throw new Refusal(501, 'NotImplemented', 'This local Azure was started without anything that runs clusters.')
  }

  async function put(call: ArmCall): Promise<ArmAnswer> {
    const version = await requireBackend().kubernetesVersion()
    const { location, tags, sku, identity, properties } = await call.body(putClusterBody)
    if (identity != null && identity.type.toLowerCase() !== 'systemassigned') {
      const message = `The local Azure does not implement clusters with the identity type ${identity.type}, but SystemAssigned.`
      throw new Refusal(501, 'NotImplemented', message)
    }
    const before = clusters.get(call.targetId)
    const settled = settleCluster(properties, before?.properties, version)
    const spec = { location: settleLocation(location, before), tags, sku, properties: settled }
    const place = {
      id: call.targetId,
      subscription: call.name('subscription'),
      group: call.name('group'),
      name: call.name('name'),
    }
    const { cluster, headers } = await (before === undefined
      ? lifecycle.create(place, spec)
      : lifecycle.update(before, spec))
    return { status: before === undefined ? 201 : 200, body: render(cluster), headers }
  }

  /** A request without a body that is answered at once, and goes on. */
  function change(word: 'start' | 'stop', begin: (cluster: Cluster) => ClusterChange): ArmOperation {
    return {
      operation: `arm.cluster.${word}`,
      method: 'POST',
      path: `${onCluster}/${word}`,
      action: `${type}/${word}/action`,
      run: (call) => ({ status: 202, headers: begin(existing(call)).headers }),
    }
  }

  function remove(call: ArmCall): ArmAnswer {
    const cluster = clusters.get(call.targetId)
    return cluster === undefined ? { status: 204 } : { status: 202, headers: lifecycle.delete(cluster).headers }
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
          throw new Refusal(409, 'OperationNotAllowed', message)
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
    change('start', lifecycle.start),
    change('stop', lifecycle.stop),
    {
      operation: 'arm.agentPool.list',
      method: 'GET',
      path: `${onCluster}/agentpools`,
      action: `${type}/agentPools/read`,
      run: (call) => ({ status: 200, body: { value: renderPools(existing(call)) } }),
    },
    {
      operation: 'arm.agentPool.get',
      method: 'GET',
      path: `${onCluster}/agentpools/:pool`,
      action: `${type}/agentPools/read`,
      run(call) {
        const id = call.targetId.slice(0, call.targetId.toLowerCase().lastIndexOf('/agentpools/'))
        const pools = renderPools(clusters.get(id))
        const found = pools.find(({ name }) => name === call.name('pool'))
        if (found === undefined) throw resourceNotFound(`${type}/agentPools`, call.name('pool'), call.name('group'))
        return { status: 200, body: found }
      },
    },
    {
      operation: 'arm.cluster.getUpgradeProfile',
      method: 'GET',
      path: `${onCluster}/upgradeprofiles/default`,
      action: `${type}/upgradeProfiles/read`,
      run: (call) => ({ status: 200, body: renderUpgrades(existing(call)) }),
    },
    {
      operation: 'arm.cluster.listVersions',
      method: 'GET',
      path: `${inSubscription}/locations/:location/kubernetesversions`,
      action: 'Microsoft.ContainerService/locations/kubernetesVersions/read',
      run: async () => ({ status: 200, body: { values: [renderVersion(await requireBackend().kubernetesVersion())] } }),
    },
  ]
}
