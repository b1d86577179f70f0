import { createHash } from 'node:crypto'
import type { RoleAssignments } from '../../access/role-assignments.ts'
import type { Change } from '../../records/record-store.ts'
import { instanceName, type Machine, type Machines } from '../compute/machines.ts'
import { type Identities, type Identity, identityType } from '../managed-identity/identities.ts'
import { type ResourceKind, resourcesWithin } from '../resource-kind.ts'
import type { ResourceGroups } from '../resources/resource-groups.ts'
import type { Cluster } from './clusters.ts'

export interface NodeGroupOptions {
  subscriptionId: string
  groups: ResourceGroups
  identities: Identities
  machines: Machines
  roles: RoleAssignments
  /** The kinds of resources that such a group may contain. */
  kinds: readonly ResourceKind[]
}

/** The resource group of a cluster's nodes: their scale sets, kubelet's identity, and the add-on's identity. */
export interface NodeGroups {
  /** The group with scale sets and kubelet's identity. */
  create(cluster: Cluster): Change[]
  /** Creates the add-on's identity and assigns it to the nodes, or removes it. No changes when nothing differs. */
  setAddonIdentity(cluster: Cluster, wanted: boolean): Change[]
  /** Removes the group with everything in it. */
  remove(cluster: Cluster): Change[]
  /** The scale set of the cluster's one node: that of the first pool. Undefined once it is deleted. */
  nodeScaleSet(cluster: Cluster): Machine | undefined
  /** Name of the cluster's one node: the first instance of that scale set. */
  nodeName(cluster: Cluster): string
  kubeletIdentity(cluster: Cluster): Identity | undefined
  addonIdentity(cluster: Cluster): Identity | undefined
}

const scaleSetType = 'Microsoft.Compute/virtualMachineScaleSets'

export function createNodeGroups(options: NodeGroupOptions): NodeGroups {
  const { subscriptionId, groups, identities, machines, roles, kinds } = options
  const groupId = ({ nodeGroup }: Cluster) => `/subscriptions/${subscriptionId}/resourceGroups/${nodeGroup}`
  const identityId = (cluster: Cluster, name: string) => `${groupId(cluster)}/providers/${identityType}/${name}`
  const kubeletName = ({ name }: Cluster) => `${name}-agentpool`
  const addonName = ({ name }: Cluster) => `azurekeyvaultsecretsprovider-${name.toLowerCase()}`
  const findIdentity = (cluster: Cluster, name: string) => identities.get(identityId(cluster, name))
  const newIdentity = (cluster: Cluster, name: string) =>
    identities.create({ id: identityId(cluster, name), name, location: cluster.location, tags: {} }).changes

  function scaleSetsOf(cluster: Cluster): Machine[] {
    const prefix = `${groupId(cluster)}/`.toLowerCase()
    return machines.ofType(scaleSetType).filter(({ id }) => id.toLowerCase().startsWith(prefix))
  }

  const poolsOf = ({ properties }: Cluster) => properties.agentPoolProfiles ?? []

  function newScaleSet(cluster: Cluster, pool: Record<string, unknown>): Machine {
    const name = scaleSetName(cluster.id, String(pool.name))
    return {
      id: `${groupId(cluster)}/providers/${scaleSetType}/${name}`,
      type: scaleSetType,
      name,
      location: cluster.location,
      tags: { 'aks-managed-poolName': String(pool.name) },
      sku: { name: pool.vmSize, tier: 'Standard', capacity: pool === poolsOf(cluster)[0] ? 1 : 0 },
      properties: {},
      identityIds: [identityId(cluster, kubeletName(cluster))],
    }
  }

  return {
    create(cluster) {
      const { nodeGroup: name, location } = cluster
      return [
        groups.put({ id: groupId(cluster), name, location, tags: {} }),
        ...newIdentity(cluster, kubeletName(cluster)),
        ...poolsOf(cluster).map((pool) => machines.put(newScaleSet(cluster, pool))),
      ]
    },
    setAddonIdentity(cluster, wanted) {
      const name = addonName(cluster)
      const identity = findIdentity(cluster, name)
      if ((identity !== undefined) === wanted) return []
      const id = identityId(cluster, name)
      const ofNodes = scaleSetsOf(cluster).map((scaleSet) => {
        const others = scaleSet.identityIds.filter((each) => each.toLowerCase() !== id.toLowerCase())
        return machines.put({ ...scaleSet, identityIds: wanted ? [...others, id] : others })
      })
      if (identity === undefined) return [...newIdentity(cluster, name), ...ofNodes]
      return [...identities.remove(identity), ...roles.removeUnder(id), ...ofNodes]
    },
    remove(cluster) {
      const group = groups.get(cluster.nodeGroup)
      if (group === undefined) return []
      const contents = kinds.flatMap((kind) => resourcesWithin([kind], group.id).flatMap(({ id }) => kind.delete(id)))
      return [...contents, ...roles.removeUnder(group.id), groups.remove(group)]
    },
    nodeScaleSet(cluster) {
      const name = scaleSetName(cluster.id, poolsOf(cluster)[0]?.name ?? '')
      return scaleSetsOf(cluster).find((scaleSet) => scaleSet.name === name)
    },
    nodeName: (cluster) => instanceName(scaleSetName(cluster.id, poolsOf(cluster)[0]?.name ?? ''), 0),
    kubeletIdentity: (cluster) => findIdentity(cluster, kubeletName(cluster)),
    addonIdentity: (cluster) => findIdentity(cluster, addonName(cluster)),
  }
}

/** Azure's format; the eight digits are the same for all pools of a cluster. */
function scaleSetName(clusterId: string, pool: string): string {
  const digits = BigInt(`0x${createHash('md5').update(clusterId.toLowerCase()).digest('hex')}`) % 100_000_000n
  return `aks-${pool}-${String(digits).padStart(8, '0')}-vmss`
}
