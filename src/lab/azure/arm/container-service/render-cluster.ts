import type { Tenant } from '../../directory/tenant.ts'
import type { Identity } from '../managed-identity/identities.ts'
import { resourceFields } from '../resource-kind.ts'
import { secretsProviderAddon } from './cluster-body.ts'
import { type Cluster, clusterType } from './clusters.ts'
import type { NodeGroups } from './node-groups.ts'

/** The cluster as Resource Manager returns it: the client's properties and the server's. */
export function renderCluster(cluster: Cluster, { tenantId }: Tenant, nodeGroups: NodeGroups) {
  const { sku, properties, endpoint, provisioningState } = cluster
  const { oidcIssuerProfile, addonProfiles, kubernetesVersion } = properties
  const kubelet = nodeGroups.kubeletIdentity(cluster)
  return {
    ...resourceFields(cluster, clusterType),
    sku: sku ?? { name: 'Base', tier: 'Free' },
    identity: { type: 'SystemAssigned', principalId: cluster.principalId, tenantId },
    properties: {
      ...properties,
      provisioningState,
      status: cluster.failure && { provisioningError: cluster.failure },
      powerState: { code: cluster.stopped === true ? 'Stopped' : 'Running' },
      currentKubernetesVersion: kubernetesVersion,
      fqdn: endpoint?.host,
      nodeResourceGroup: cluster.nodeGroup,
      maxAgentPools: 100,
      enableRBAC: properties.enableRBAC ?? true,
      servicePrincipalProfile: { clientId: 'msi' },
      identityProfile: kubelet && { kubeletidentity: identityOf(kubelet) },
      addonProfiles: Object.fromEntries(
        Object.entries(addonProfiles ?? {}).map(([addon, profile]) => {
          const identity = addon === secretsProviderAddon ? nodeGroups.addonIdentity(cluster) : undefined
          return [addon, { ...profile, identity: identity && identityOf(identity) }]
        }),
      ),
      oidcIssuerProfile: {
        enabled: oidcIssuerProfile?.enabled === true,
        issuerURL: oidcIssuerProfile?.enabled === true ? endpoint?.issuerUrl : undefined,
      },
    },
  }
}

function identityOf({ id, clientId, principalId }: Identity) {
  return { resourceId: id, clientId, objectId: principalId }
}

/** The pools of a cluster as resources. */
export function renderPools(cluster: Cluster | undefined) {
  return (cluster?.properties.agentPoolProfiles ?? []).map(({ name, ...properties }) => ({
    id: `${cluster?.id}/agentPools/${name}`,
    name,
    type: `${clusterType}/agentPools`,
    properties,
  }))
}

/** A version in the form that `az aks get-versions` reads. */
export function renderVersion(version: string) {
  return {
    version: version.split('.').slice(0, 2).join('.'),
    isDefault: true,
    capabilities: { supportPlan: ['KubernetesOfficial'] },
    patchVersions: { [version]: { upgrades: [] } },
  }
}

/** The cluster's possible upgrades: none, since there is one version. */
export function renderUpgrades({ id, properties }: Cluster) {
  const upgrades = (pool: Record<string, unknown>) => ({
    name: pool.name,
    kubernetesVersion: properties.kubernetesVersion,
    osType: pool.osType ?? 'Linux',
    upgrades: [],
  })
  return {
    id: `${id}/upgradeProfiles/default`,
    name: 'default',
    type: `${clusterType}/upgradeProfiles`,
    properties: {
      controlPlaneProfile: upgrades({}),
      agentPoolProfiles: (properties.agentPoolProfiles ?? []).map(upgrades),
    },
  }
}
