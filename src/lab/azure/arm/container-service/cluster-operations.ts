import type { Tenant } from '../../directory/tenant.ts'
import { Refusal } from '../../http/refusal.ts'
import { resourceNotFound } from '../error-response.ts'
import { existing, groupResourceOperations, pathsOf } from '../group-resources.ts'
import { type ArmAnswer, type ArmCall, type ArmOperation, armOperation } from '../operation.ts'
import { resolveLocation } from '../validate.ts'
import { type ClusterBackend, requireBackend } from './cluster-backend.ts'
import { completeProperties, putClusterBody } from './cluster-body.ts'
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
  /** Without one, clusters cannot be created or used. */
  clusterBackend: ClusterBackend | undefined
}

const inSubscription = '/subscriptions/:subscription/providers/microsoft.containerservice'
const onCluster = pathsOf(type).one

/** Managed clusters. https://learn.microsoft.com/rest/api/aks/managed-clusters */
export function clusterOperations(options: ClusterOptions): ArmOperation[] {
  return [...managedClusterOperations(options), ...agentPoolOperations(options), ...versionOperations(options)]
}

function managedClusterOperations(options: ClusterOptions): ArmOperation[] {
  const { clusters, lifecycle } = options
  return [
    ...groupResourceOperations<Cluster>({
      ...kindOf(clusters),
      operation: 'arm.cluster',
      all: clusters.all,
      render: (cluster) => renderCluster(cluster, options.tenant, options.nodeGroups),
      put: (call) => put(options, call),
      remove: (cluster) => ({ status: 202, headers: lifecycle.delete(cluster).headers }),
    }),
    credentialOperation(options, 'clusterUser', 'listClusterUserCredential'),
    credentialOperation(options, 'clusterAdmin', 'listClusterAdminCredential'),
    backgroundOperation(options, 'start', lifecycle.start),
    backgroundOperation(options, 'stop', lifecycle.stop),
  ]
}

function kindOf(clusters: Clusters) {
  return { type, find: (call: ArmCall) => clusters.get(call.targetId) }
}

async function put(options: ClusterOptions, call: ArmCall): Promise<ArmAnswer> {
  const { clusters, lifecycle, clusterBackend } = options
  const version = await requireBackend(clusterBackend).kubernetesVersion()
  const { location, tags, sku, identity, properties: given } = await call.body(putClusterBody)
  if (identity != null && identity.type.toLowerCase() !== 'systemassigned') {
    const message = `The local Azure does not implement clusters with the identity type ${identity.type}, only SystemAssigned.`
    throw new Refusal(501, 'NotImplemented', message)
  }
  const before = clusters.get(call.targetId)
  const properties = completeProperties(given, before?.properties, version)
  const spec = { location: resolveLocation(location, before), tags, sku, properties }
  const path = {
    id: call.targetId,
    subscription: call.name('subscription'),
    group: call.name('group'),
    name: call.name('name'),
  }
  const change = before === undefined ? lifecycle.create(path, spec) : lifecycle.update(before, spec)
  const { cluster, headers } = await change
  return {
    status: before === undefined ? 201 : 200,
    body: renderCluster(cluster, options.tenant, options.nodeGroups),
    headers,
  }
}

function credentialOperation(
  options: ClusterOptions,
  role: 'clusterUser' | 'clusterAdmin',
  word: string,
): ArmOperation {
  return {
    operation: `arm.cluster.${word}`,
    method: 'POST',
    path: `${onCluster}/${word.toLowerCase()}`,
    action: `${type}/${word}/action`,
    async run(call) {
      const cluster = existing(kindOf(options.clusters), call)
      if (cluster.endpoint === undefined) {
        const message = `The cluster '${cluster.name}' is not running: its state is ${cluster.provisioningState}.`
        throw new Refusal(409, 'OperationNotAllowed', message)
      }
      const text = await requireBackend(options.clusterBackend).kubeconfig(cluster.id)
      const value = Buffer.from(clusterKubeconfig(text, cluster, role)).toString('base64')
      return { status: 200, body: { kubeconfigs: [{ name: role, value }] } }
    },
  }
}

/** A request without a body that is answered at once, while its work continues. */
function backgroundOperation(
  options: ClusterOptions,
  word: 'start' | 'stop',
  begin: (cluster: Cluster) => ClusterChange,
): ArmOperation {
  return {
    operation: `arm.cluster.${word}`,
    method: 'POST',
    path: `${onCluster}/${word}`,
    action: `${type}/${word}/action`,
    run: (call) => ({ status: 202, headers: begin(existing(kindOf(options.clusters), call)).headers }),
  }
}

function agentPoolOperations(options: ClusterOptions): ArmOperation[] {
  return [
    {
      operation: 'arm.agentPool.list',
      method: 'GET',
      path: `${onCluster}/agentpools`,
      action: `${type}/agentPools/read`,
      run: (call) => ({ status: 200, body: { value: renderPools(existing(kindOf(options.clusters), call)) } }),
    },
    armOperation('arm.agentPool.get', 'GET', `${onCluster}/agentpools/:pool`, `${type}/agentPools/read`, (call) =>
      getAgentPool(options, call),
    ),
  ]
}

function getAgentPool({ clusters }: ClusterOptions, call: ArmCall): ArmAnswer {
  const clusterId = call.targetId.slice(0, call.targetId.toLowerCase().lastIndexOf('/agentpools/'))
  const pool = renderPools(clusters.get(clusterId)).find(({ name }) => name === call.name('pool'))
  if (pool !== undefined) return { status: 200, body: pool }
  throw resourceNotFound(`${type}/agentPools`, call.name('pool'), call.name('group'))
}

function versionOperations(options: ClusterOptions): ArmOperation[] {
  return [
    armOperation(
      'arm.cluster.getUpgradeProfile',
      'GET',
      `${onCluster}/upgradeprofiles/default`,
      `${type}/upgradeProfiles/read`,
      (call) => ({ status: 200, body: renderUpgrades(existing(kindOf(options.clusters), call)) }),
    ),
    {
      operation: 'arm.cluster.listVersions',
      method: 'GET',
      path: `${inSubscription}/locations/:location/kubernetesversions`,
      action: 'Microsoft.ContainerService/locations/kubernetesVersions/read',
      async run() {
        const version = await requireBackend(options.clusterBackend).kubernetesVersion()
        return { status: 200, body: { values: [renderVersion(version)] } }
      },
    },
  ]
}
