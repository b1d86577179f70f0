import type { Tenant } from '../../directory/tenant.ts'
import type { Identity } from '../managed-identity/identities.ts'
import { secretsProviderAddon } from './cluster-body.ts'
import { type Cluster, clusterType } from './clusters.ts'
import type { NodeGroups } from './node-groups.ts'

/** The cluster as Resource Manager shows it: what was asked for, and what the server adds. */
export function renderCluster(cluster: Cluster, { tenantId }: Tenant, nodeGroups: NodeGroups) {
  const { id, name, location, tags, sku, properties, endpoint, provisioningState } = cluster
  const { oidcIssuerProfile, addonProfiles, kubernetesVersion } = properties
  const kubelet = nodeGroups.kubeletIdentity(cluster)
  return {
    id,
    name,
    type: clusterType,
    location,
    tags,
    sku: sku ?? { name: 'Base', tier: 'Free' },
    identity: { type: 'SystemAssigned', principalId: cluster.principalId, tenantId },
    properties: {
      ...properties,
      provisioningState,
      powerState: { code: 'Running' },
      currentKubernetesVersion: kubernetesVersion,
      fqdn: endpoint?.host,
      nodeResourceGroup: cluster.nodeGroup,
      maxAgentPools: 100,
      enableRBAC: properties['enableRBAC'] ?? true,
      servicePrincipalProfile: { clientId: 'msi' },
      ...(kubelet !== undefined && { identityProfile: { kubeletidentity: identityOf(kubelet) } }),
      addonProfiles: Object.fromEntries(
        Object.entries(addonProfiles ?? {}).map(([addon, profile]) => {
          const identity = addon === secretsProviderAddon ? nodeGroups.addonIdentity(cluster) : undefined
          return [addon, { ...profile, ...(identity !== undefined && { identity: identityOf(identity) }) }]
        }),
      ),
      oidcIssuerProfile: {
        enabled: oidcIssuerProfile?.enabled === true,
        ...(oidcIssuerProfile?.enabled === true && { issuerURL: endpoint?.issuerUrl }),
      },
    },
  }
}

function identityOf({ id, clientId, principalId }: Identity) {
  return { resourceId: id, clientId, objectId: principalId }
}
