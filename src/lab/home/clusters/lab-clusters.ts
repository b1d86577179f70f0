import { readFileSync } from 'node:fs'
import { createKubeClient, isNotFound, resources } from '#kubernetes/client'
import { createKeyedLock, type KeyedLock } from '#lib/async'
import { createTerminal } from '#terminal'
import { findLocalAzure, type LocalAzure } from '../processes/lab-programs.ts'
import { removeProduct } from '../product/install-product.ts'
import { bringUpProduct, objectsToRemove, prepareForInstallation } from '../product/lab-product.ts'
import { bringUpWebhook, removeWebhook } from '../product/lab-webhook.ts'
import { refuseWhileMounted } from '../product/remove-from-cluster.ts'
import type { LabWorld, Session } from '../session.ts'
import { type LabHome, labHome } from '../state/lab-home.ts'
import { requireLabState } from '../state/lab-state.ts'
import { findNumbered } from './cluster-place.ts'
import type { ClustersBehind } from './clusters-behind.ts'
import { kubeconfigOf } from './kubeconfig-of.ts'
import type { LabCluster } from './lab-cluster.ts'
import { localClusters } from './local-clusters.ts'
import { isPrimary } from './primary-cluster.ts'
import { userCluster } from './user-cluster.ts'

/** Where a cluster answers, and who issues its tokens. */
interface ClusterEndpoint {
  host: string
  issuerUrl: string
  issuerCa: string | undefined
}

interface AddonSettings {
  rotation: boolean
  rotationPollInterval: string
  imds: string
}

/** The clusters that back the managed clusters of the lab's Azure. The shape is the local Azure's `ClusterBackend`. */
export interface LabClusters {
  kubernetesVersion(): Promise<string>
  quotaReached(): Promise<string | undefined>
  create(cluster: { id: string; nodeName: string; imds: string }, signal: AbortSignal): Promise<ClusterEndpoint>
  start(cluster: { id: string; imds: string }, signal: AbortSignal): Promise<ClusterEndpoint>
  stop(id: string): Promise<void>
  kubeconfig(id: string): Promise<string>
  setSecretsProvider(id: string, settings: AddonSettings | undefined, signal: AbortSignal): Promise<void>
  setWorkloadIdentity(id: string, settings: { tenantId: string } | undefined, signal: AbortSignal): Promise<void>
  secretProviderClasses(id: string): Promise<string[]>
  delete(id: string): Promise<void>
}

interface Context {
  home: LabHome
  world: Omit<LabWorld, 'signal'>
  turns: KeyedLock
}

/**
 * The clusters of the lab in `root`, for the local Azure of that lab. Operations on one cluster run one after the other.
 * Whether a new cluster is a local one or that of a kubeconfig depends on the last `up` of the lab.
 */
export function createLabClusters(root: string, world: Omit<LabWorld, 'signal'>): LabClusters {
  const context: Context = { home: labHome(root), world, turns: createKeyedLock() }
  const inTurn = <T>(id: string, work: () => Promise<T>) => context.turns.run(id.toLowerCase(), work)
  return {
    kubernetesVersion: () => backing(context, undefined).clusters.kubernetesVersion(),
    quotaReached: () => backing(context, undefined).clusters.quotaReached(),
    create: ({ imds, ...cluster }, signal) =>
      inTurn(cluster.id, async () =>
        withChartDefaults(context, await backing(context, cluster.id, signal).clusters.create(cluster), imds),
      ),
    start: ({ id, imds }, signal) =>
      inTurn(id, async () => withChartDefaults(context, await backing(context, id, signal).clusters.start(id), imds)),
    stop: (id) => inTurn(id, () => backing(context, id).clusters.stop(id)),
    delete: (id) => inTurn(id, () => backing(context, id).clusters.delete(id)),
    async kubeconfig(id) {
      const { config } = await backing(context, id).clusters.find(id)
      return kubeconfigOf(config)
    },
    setSecretsProvider: (id, settings, signal) => inTurn(id, () => setSecretsProvider(context, id, settings, signal)),
    setWorkloadIdentity: (id, settings, signal) => inTurn(id, () => setWorkloadIdentity(context, id, settings, signal)),
    secretProviderClasses: (id) => listClasses(context, id),
  }
}

/** The clusters that back the cluster with this id, or would. */
function backing(
  { home, world }: Context,
  id: string | undefined,
  signal: AbortSignal = new AbortController().signal,
): { session: Session; clusters: ClustersBehind } {
  const session = silentSession(home, { ...world, signal })
  const { target } = requireLabState(home)
  // A local cluster stays one when a later `up` names a kubeconfig.
  const isLocal =
    target.kind === 'local' || (id !== undefined && (isPrimary(id) || findNumbered(home, id) !== undefined))
  return { session, clusters: isLocal ? localClusters(session) : userCluster(session, target.path) }
}

/** A session that prints no steps: Azure returns the result to the caller. */
function silentSession(home: LabHome, world: LabWorld): Session {
  const nowhere = { write: () => true }
  return { home, world, terminal: createTerminal({ stdout: nowhere, stderr: nowhere, env: {} }) }
}

/** Gives a running cluster the defaults for the charts of the package. */
async function withChartDefaults(context: Context, cluster: LabCluster, imds: string): Promise<ClusterEndpoint> {
  await prepareForInstallation(cluster, azureOf(context, imds))
  const { server, issuer, caFile } = cluster
  return {
    host: new URL(server).host,
    issuerUrl: issuer,
    issuerCa: caFile === undefined ? undefined : readFileSync(caFile, 'utf8'),
  }
}

/** The local Azure as the nodes of one cluster see it. */
function azureOf({ home }: Context, imds: string): LocalAzure {
  const azure = findLocalAzure(home)
  if (azure !== undefined) return { ...azure, imds }
  throw new Error('the local Azure is not ready yet')
}

async function setSecretsProvider(
  context: Context,
  id: string,
  settings: AddonSettings | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { session, clusters } = backing(context, id, signal)
  const cluster = await clusters.find(id)
  if (settings === undefined) {
    await uninstall(session, cluster)
    clusters.note(id, 'secrets-provider', false)
    return
  }
  const { imds, ...rotation } = settings
  const lab = requireLabState(context.home)
  // As on AKS, the add-on may always write Kubernetes Secrets; for the lab's own cluster, `up` decides.
  const state = { ...lab, ...rotation, secretSync: isPrimary(id) ? lab.secretSync : true }
  clusters.note(id, 'secrets-provider', true)
  await bringUpProduct(session, { state, cluster, azure: azureOf(context, imds) })
}

async function uninstall({ world }: Session, cluster: LabCluster): Promise<void> {
  const kube = createKubeClient(cluster.config)
  try {
    await refuseWhileMounted(kube)
    await removeProduct(kube, objectsToRemove(world.packageRoot, cluster))
  } finally {
    kube.close()
  }
}

async function setWorkloadIdentity(
  context: Context,
  id: string,
  settings: { tenantId: string } | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { session, clusters } = backing(context, id, signal)
  const cluster = await clusters.find(id)
  if (settings === undefined) await removeWebhook(session, cluster)
  clusters.note(id, 'webhook', settings !== undefined)
  if (settings !== undefined) await bringUpWebhook(session, cluster, settings.tenantId)
}

async function listClasses(context: Context, id: string): Promise<string[]> {
  const { config } = await backing(context, id).clusters.find(id)
  const kube = createKubeClient(config)
  try {
    const { items } = await kube.list(resources.secretProviderClasses)
    return items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
  } catch (error) {
    // Without the CustomResourceDefinition there are no classes.
    if (isNotFound(error)) return []
    throw error
  } finally {
    kube.close()
  }
}
