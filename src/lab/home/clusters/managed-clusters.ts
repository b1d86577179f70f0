import { readFileSync } from 'node:fs'
import type { AzureService } from '#azure/rest'
import { sleep } from '#lib'
import { CliError } from '#terminal'
import { createLabAzure, type LabAzure, readCredentials } from '../azure/lab-azure.ts'
import type { LocalAzure } from '../processes/lab-programs.ts'
import type { Session } from '../session.ts'
import type { LabState } from '../state/lab-state.ts'
import { managedName } from './cluster-place.ts'
import { isPrimary, primaryName } from './primary-cluster.ts'

interface ManagedCluster {
  id: string
  location: string
  tags?: Record<string, string>
  properties: {
    provisioningState: string
    powerState: { code: string }
    /** Set once it was created. */
    fqdn?: string
    status?: { provisioningError?: { message: string } }
  }
}

const version = { apiVersion: '2025-03-01' }
const location = 'eastus'

/** How often a long operation of Resource Manager is polled. */
const pollMs = 50

/**
 * Registers the lab's own cluster as a managed one with the add-on, which installs Keymount, so that `az aks` shows it.
 * Updates one that is registered already. Throws {@link CliError} with the reason that the local Azure gives.
 */
export async function registerPrimary(session: Session, azure: LocalAzure, state: LabState): Promise<void> {
  await withAzure(azure, async ({ subscriptionId, resourceManager }) => {
    const group = `/subscriptions/${subscriptionId}/resourceGroups/${primaryName}`
    const inGroup = { apiVersion: '2024-11-01' }
    if ((await resourceManager.find(group, inGroup)) === undefined) {
      await resourceManager.put(group, { location }, inGroup)
    }
    const id = `${group}/providers/Microsoft.ContainerService/managedClusters/${primaryName}`
    const found = await waitUntilDone(session, resourceManager, id)
    if (found?.properties.powerState.code === 'Stopped') await start(session, resourceManager, id)
    await resourceManager.put(id, primaryBody(state, found), { ...version, noWait: true })
    requireSuccess(
      await waitUntilDone(session, resourceManager, id),
      'Keymount cannot be installed in the local cluster',
    )
  })
}

/** Starts the clusters that `az aks create` made, except stopped ones. `failed`: why the others could not be started. */
export async function startOthers(session: Session, azure: LocalAzure): Promise<{ started: number; failed: string[] }> {
  return withAzure(azure, async ({ subscriptionId, resourceManager }) => {
    const path = `/subscriptions/${subscriptionId}/providers/Microsoft.ContainerService/managedClusters`
    const all = await resourceManager.list<ManagedCluster>(path, version)
    const wanted = all.filter(
      ({ id, properties }) =>
        !isPrimary(id) &&
        properties.fqdn !== undefined &&
        properties.powerState.code === 'Running' &&
        !properties.provisioningState.endsWith('ing'),
    )
    const results = await Promise.allSettled(wanted.map(({ id }) => start(session, resourceManager, id)))
    const failed = results.flatMap((result) => (result.status === 'rejected' ? [String(result.reason.message)] : []))
    return { started: wanted.length - failed.length, failed }
  })
}

async function start(session: Session, resourceManager: AzureService, id: string): Promise<void> {
  await resourceManager.post(`${id}/start`, undefined, { ...version, noWait: true })
  requireSuccess(await waitUntilDone(session, resourceManager, id), `The cluster ${managedName(id)} cannot be started`)
}

async function waitUntilDone(
  { world }: Session,
  resourceManager: AzureService,
  id: string,
): Promise<ManagedCluster | undefined> {
  for (;;) {
    const cluster = await resourceManager.find<ManagedCluster>(id, version)
    if (cluster?.properties.provisioningState.endsWith('ing') !== true) return cluster
    await sleep(pollMs, { signal: world.signal })
  }
}

function requireSuccess(cluster: ManagedCluster | undefined, what: string): void {
  if (cluster?.properties.provisioningState === 'Succeeded') return
  throw new CliError({
    what,
    why: cluster?.properties.status?.provisioningError?.message ?? 'it was deleted meanwhile',
    fix: ['see the log of the local Azure: logs/local-azure.log in the directory of the lab'],
  })
}

/**
 * The request of `az aks create --enable-oidc-issuer --enable-addons azure-keyvault-secrets-provider
 * --enable-secret-rotation`. Everything else of an existing cluster is left as it is.
 */
function primaryBody({ rotationPollInterval = '2m' }: LabState, found: ManagedCluster | undefined) {
  const config = { enableSecretRotation: 'true', rotationPollInterval }
  const ofNewCluster = { dnsPrefix: primaryName, agentPoolProfiles: [{ name: 'nodepool1', count: 1, mode: 'System' }] }
  return {
    location: found?.location ?? location,
    tags: found?.tags ?? {},
    identity: { type: 'SystemAssigned' },
    properties: {
      ...(found === undefined ? ofNewCluster : undefined),
      oidcIssuerProfile: { enabled: true },
      addonProfiles: { azureKeyvaultSecretsProvider: { enabled: true, config } },
    },
  }
}

async function withAzure<T>({ proxy, ca, credentials }: LocalAzure, work: (azure: LabAzure) => Promise<T>): Promise<T> {
  const azure = createLabAzure({ credentials: readCredentials(credentials), proxy, ca: readFileSync(ca, 'utf8') })
  try {
    return await work(azure)
  } finally {
    azure.stop()
  }
}
