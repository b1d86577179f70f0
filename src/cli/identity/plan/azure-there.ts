import { isAzureNotFound } from '#azure/rest'
import { beyondLimit } from '#lib'
import { forEachLimited } from '#lib/async'
import { CliError } from '#terminal'
import { attempt } from '../../answer.ts'
import type { AzureSession } from '../azure-session.ts'
import { type AzureIdentity, findIdentity } from '../doctor/azure-facts.ts'
import { type Grants, listVaults, type Vault, vaultGrants } from '../doctor/check-vault.ts'
import type { AzureThere, FleetCluster } from './identity-plan.ts'
import { planLimits } from './plan-limits.ts'

/** What Azure has of what a fleet uses, asked once. */
export interface AzureFacts extends AzureThere {
  /** The cluster with its resource id, where Azure has a cluster with this issuer. */
  withAks(cluster: FleetCluster): FleetCluster
  /** Undefined for an application, and for a client id that the tenant does not have. */
  managedIdentity(clientId: string): AzureIdentity | undefined
  /** Resource id; undefined when no vault of this name was found. */
  vaultId(name: string): string | undefined
  /** Whether a vault grants rights by access policies, and not by roles. */
  hasPolicies(name: string): boolean
  /** Identities and vaults that were not found. */
  missing: readonly string[]
}

interface ManagedCluster {
  id: string
  properties: {
    oidcIssuerProfile?: { issuerURL?: string }
    apiServerAccessProfile?: { enableVnetIntegration?: boolean } | null
  }
}

interface IdentityBinding {
  id: string
  name: string
  properties: { managedIdentity: { clientId?: string; resourceId: string } }
}

interface Gathered {
  identities: ReadonlyMap<string, AzureIdentity>
  vaults: ReadonlyMap<string, Vault>
  clusters: readonly ManagedCluster[]
  /** By client id and vault. */
  grants: ReadonlyMap<string, Grants>
  /** By resource id of the cluster, in lower case. */
  bindings: ReadonlyMap<string, readonly IdentityBinding[]>
  /** Why the subscription has no identity bindings; undefined when it has, or when Azure gives no answer. */
  featureObstacle: string | undefined
}

/** Asks Azure; values of vaults are never read. Rejects where the user may not see what a plan needs. */
export async function askAzure(azure: AzureSession, fleet: readonly FleetCluster[]): Promise<AzureFacts> {
  const uses = fleet.flatMap((cluster) => cluster.uses)
  const all = [...new Set(uses.map(({ clientId }) => clientId))]
  const clientIds = all.slice(0, planLimits.identities.value)
  const [vaults, clusters] = [byName(await listVaults(azure)), await listClusters(azure)]
  const identities = new Map<string, AzureIdentity>()
  const grants = new Map<string, Grants>()
  const usesOf = Map.groupBy(uses, ({ clientId }) => clientId)
  await forEachLimited(clientIds, 8, async (clientId) => {
    const identity = await findIdentity(azure, clientId)
    if (identity === undefined) return
    identities.set(clientId, identity)
    const names = new Set(usesOf.get(clientId)?.flatMap(({ reads }) => reads.map(({ vault }) => vault)))
    for (const name of names) {
      const vault = vaults.get(name)
      if (vault === undefined || identity.principalId === undefined) continue
      grants.set(`${clientId} ${name}`, await vaultGrants(azure, vault, identity.principalId))
    }
  })
  const known = fleet.map((cluster) => withAks(cluster, clusters))
  const bindings = new Map<string, readonly IdentityBinding[]>()
  for (const { aks } of known) if (aks !== undefined) bindings.set(aks.toLowerCase(), await listBindings(azure, aks))
  const featureObstacle = bindings.size === 0 ? undefined : await askFeature(azure)
  const gathered = { identities, vaults, clusters, grants, bindings, featureObstacle }
  const missing = [
    ...(all.length > clientIds.length ? [beyondLimit(planLimits.identities, all.length)] : []),
    ...clientIds.filter((id) => !identities.has(id)).map((id) => `client id ${id} is not in the tenant`),
    ...[...new Set(uses.flatMap(({ reads }) => reads.map(({ vault }) => vault)))]
      .filter((name) => !vaults.has(name))
      .map((name) => `vault ${name} is not in the subscription, or you have no right to see it`),
  ]
  return { ...thereIn(gathered), missing }
}

function thereIn(gathered: Gathered): Omit<AzureFacts, 'missing'> {
  const { identities, vaults, clusters, grants, bindings } = gathered
  return {
    withAks: (cluster) => withAks(cluster, clusters),
    managedIdentity: (clientId) => {
      const identity = identities.get(clientId)
      return identity?.resourceId === undefined ? undefined : identity
    },
    vaultId: (name) => vaults.get(name)?.id,
    hasPolicies: (name) => vaults.has(name) && vaults.get(name)?.properties.enableRbacAuthorization !== true,
    otherCredentials: (clientId, subjects) => {
      const ours = new Set(subjects.map(({ issuer, subject }) => `${issuer} ${subject}`))
      const all = identities.get(clientId)?.credentials ?? []
      return all.filter(({ issuer, subject }) => !ours.has(`${issuer} ${subject}`)).length
    },
    hasCredential: (clientId, wanted) =>
      (identities.get(clientId)?.credentials ?? []).some(
        ({ issuer, subject }) => issuer === wanted.issuer && subject === wanted.subject,
      ),
    hasGrant: (clientId, { vault, type, object, lists }) =>
      grants.get(`${clientId} ${vault}`)?.(type, object, lists) !== undefined,
    hasBinding: (clientId, binding) =>
      (bindings.get(binding.aks.toLowerCase()) ?? []).some((one) => binds(one, clientId, identities)),
    isBound: (clientId) => [...bindings.values()].flat().some((one) => binds(one, clientId, identities)),
    bindingObstacle: (clientId, cluster) => obstacleOf(gathered, clientId, cluster),
  }
}

function binds(
  { properties: { managedIdentity } }: IdentityBinding,
  clientId: string,
  identities: Gathered['identities'],
): boolean {
  const wanted = identities.get(clientId)?.resourceId?.toLowerCase()
  return managedIdentity.clientId?.toLowerCase() === clientId || managedIdentity.resourceId.toLowerCase() === wanted
}

/** https://learn.microsoft.com/azure/aks/identity-bindings-concepts */
function obstacleOf(
  { identities, clusters, featureObstacle }: Gathered,
  clientId: string,
  { aks }: Pick<FleetCluster, 'aks'>,
): string | undefined {
  if (featureObstacle !== undefined) return featureObstacle
  if (identities.get(clientId)?.kind === 'application')
    return `${clientId} is an application, and only managed identities can be bound`
  const cluster = clusters.find(({ id }) => id.toLowerCase() === aks?.toLowerCase())
  return cluster?.properties.apiServerAccessProfile?.enableVnetIntegration === true
    ? `the cluster ${cluster.id.split('/').at(-1)} has API server VNet integration`
    : undefined
}

function withAks(cluster: FleetCluster, clusters: readonly ManagedCluster[]): FleetCluster {
  const found = clusters.find(({ properties }) => properties.oidcIssuerProfile?.issuerURL === cluster.issuer)
  return { ...cluster, aks: cluster.aks ?? found?.id }
}

function byName(vaults: readonly Vault[]): Map<string, Vault> {
  return new Map(vaults.map((vault) => [vault.name.toLowerCase(), vault]))
}

/** Who may not see clusters can plan without bindings. */
async function listClusters({ resourceManager, subscriptionId }: AzureSession): Promise<ManagedCluster[]> {
  const path = `/subscriptions/${subscriptionId()}/providers/Microsoft.ContainerService/managedClusters`
  const found = await attempt(() => resourceManager.list<ManagedCluster>(path, { apiVersion: '2025-05-01' }))
  return 'value' in found ? found.value : []
}

/** Of Resource Manager's interface of identity bindings. */
export const bindingVersion = '2025-10-02-preview'

async function listBindings({ resourceManager }: AzureSession, aks: string): Promise<IdentityBinding[]> {
  try {
    return await resourceManager.list<IdentityBinding>(`${aks}/identityBindings`, { apiVersion: bindingVersion })
  } catch (error) {
    if (!isAzureNotFound(error)) throw error
    throw new CliError({
      what: `There is no cluster ${aks}`,
      fix: ['correct --aks, or aks in the file of the fleet'],
      code: 'usage',
    })
  }
}

const feature = 'Microsoft.ContainerService/IdentityBindingPreview'

async function askFeature({ resourceManager, subscriptionId }: AzureSession): Promise<string | undefined> {
  const [provider = '', name = ''] = feature.split('/')
  const path = `/subscriptions/${subscriptionId()}/providers/Microsoft.Features/providers/${provider}/features/${name}`
  const found = await attempt(() =>
    resourceManager.get<{ properties: { state: string } }>(path, { apiVersion: '2021-07-01' }),
  )
  if (!('value' in found) || found.value.properties.state === 'Registered') return undefined
  return `the preview feature ${feature} is ${found.value.properties.state} (az feature register --namespace ${provider} --name ${name})`
}
