import { readFileSync } from 'node:fs'
import { createKubeClient, isNotFound, type KubeClient, resources } from '#kubernetes/client'
import { createKeyedLock } from '#lib/async'
import { createTerminal } from '#terminal'
import { findLocalAzure, type LocalAzure } from '../processes/lab-programs.ts'
import { removeProduct } from '../product/install-product.ts'
import { bringUpProduct, objectsToRemove, writeChartDefaults } from '../product/lab-product.ts'
import { bringUpWebhook, removeWebhook } from '../product/lab-webhook.ts'
import type { LabWorld, Session } from '../session.ts'
import { type LabHome, labHome } from '../state/lab-home.ts'
import { requireLabState } from '../state/lab-state.ts'
import { refuseWhileMounted } from '../take-down.ts'
import { findNumbered } from './cluster-place.ts'
import type { ClustersBehind } from './clusters-behind.ts'
import { kubeconfigOf } from './kubeconfig-of.ts'
import type { LabCluster } from './lab-cluster.ts'
import { localClusters } from './local-clusters.ts'
import { isPrimary } from './primary-cluster.ts'
import { userCluster } from './user-cluster.ts'

/** Where a cluster answers, and who signs its tokens. */
interface Endpoint {
  host: string
  issuerUrl: string
  issuerCa: string | undefined
}

interface AddonSettings {
  rotation: boolean
  rotationPollInterval: string
  imds: string
}

/** What a lab lets run behind the managed clusters of its Azure; the shape is the local Azure's `ClusterBackend`. */
export interface LabClusters {
  kubernetesVersion(): Promise<string>
  quotaReached(): Promise<string | undefined>
  create(cluster: { id: string; nodeName: string; imds: string }, signal: AbortSignal): Promise<Endpoint>
  start(cluster: { id: string; imds: string }, signal: AbortSignal): Promise<Endpoint>
  stop(id: string): Promise<void>
  kubeconfig(id: string): Promise<string>
  setSecretsProvider(id: string, settings: AddonSettings | undefined, signal: AbortSignal): Promise<void>
  setWorkloadIdentity(id: string, settings: { tenantId: string } | undefined, signal: AbortSignal): Promise<void>
  secretProviderClasses(id: string): Promise<string[]>
  delete(id: string): Promise<void>
}

/**
 * The clusters of the lab in `root`, for the local Azure of that lab. What is done to one cluster is done in turn. Which
 * kind a new one is, a local cluster or the one of a kubeconfig, is what the lab's last `up` was asked for.
 */
export function createLabClusters(root: string, world: Omit<LabWorld, 'signal'>): LabClusters {
  const home = labHome(root)
  const turns = createKeyedLock()
  const inTurn = <T>(id: string, work: () => Promise<T>) => turns.run(id.toLowerCase(), work)
  const never = new AbortController().signal

  /** What stands behind the cluster with this id, or would. */
  function behind(id: string | undefined, signal: AbortSignal = never) {
    const session = silentSession(home, { ...world, signal })
    const { target } = requireLabState(home)
    // One of an `up` with other settings is still what it was.
    const isLocal =
      target.kind === 'local' || (id !== undefined && (isPrimary(id) || findNumbered(home, id) !== undefined))
    const clusters: ClustersBehind = isLocal ? localClusters(session) : userCluster(session, target.path)
    return { session, clusters }
  }

  async function withKube<T>(id: string, work: (kube: KubeClient) => Promise<T>): Promise<T> {
    const { config } = await behind(id).clusters.find(id)
    const kube = createKubeClient(config)
    try {
      return await work(kube)
    } finally {
      kube.close()
    }
  }

  /** The local Azure as the nodes of one cluster see it. */
  function azureFor(imds: string): LocalAzure {
    const azure = findLocalAzure(home)
    if (azure !== undefined) return { ...azure, imds }
    throw new Error('the local Azure is not ready yet')
  }

  /** A cluster that runs, once it knows what the charts of the package ask it. */
  async function told(cluster: LabCluster, imds: string): Promise<Endpoint> {
    await writeChartDefaults(cluster, azureFor(imds))
    return endpointOf(cluster)
  }

  return {
    kubernetesVersion: () => behind(undefined).clusters.kubernetesVersion(),
    quotaReached: () => behind(undefined).clusters.quotaReached(),
    create: ({ imds, ...cluster }, signal) =>
      inTurn(cluster.id, async () => told(await behind(cluster.id, signal).clusters.create(cluster), imds)),
    start: ({ id, imds }, signal) => inTurn(id, async () => told(await behind(id, signal).clusters.start(id), imds)),
    stop: (id) => inTurn(id, () => behind(id).clusters.stop(id)),
    delete: (id) => inTurn(id, () => behind(id).clusters.delete(id)),
    async kubeconfig(id) {
      const { config } = await behind(id).clusters.find(id)
      return kubeconfigOf(config)
    },
    setSecretsProvider: (id, settings, signal) =>
      inTurn(id, async () => {
        const { session, clusters } = behind(id, signal)
        const cluster = await clusters.find(id)
        if (settings === undefined) {
          await uninstall(session, cluster)
          clusters.note(id, 'secrets-provider', false)
          return
        }
        const { imds, ...rotation } = settings
        const lab = requireLabState(home)
        // As on AKS, where the add-on may always keep Kubernetes Secrets; of the lab's own cluster `up` decides.
        const state = { ...lab, ...rotation, secretSync: isPrimary(id) ? lab.secretSync : true }
        clusters.note(id, 'secrets-provider', true)
        await bringUpProduct(session, { state, cluster, azure: azureFor(imds) })
      }),
    setWorkloadIdentity: (id, settings, signal) =>
      inTurn(id, async () => {
        const { session, clusters } = behind(id, signal)
        const cluster = await clusters.find(id)
        if (settings === undefined) await removeWebhook(session, cluster)
        clusters.note(id, 'webhook', settings !== undefined)
        if (settings !== undefined) await bringUpWebhook(session, cluster, settings.tenantId)
      }),
    secretProviderClasses: (id) => withKube(id, secretProviderClasses),
  }
}

/** Steps are told to nobody: whoever asked hears the end of it from Azure. */
function silentSession(home: LabHome, world: LabWorld): Session {
  const nowhere = { write: () => true }
  return { home, world, terminal: createTerminal({ stdout: nowhere, stderr: nowhere, env: {} }) }
}

function endpointOf({ server, issuer, caFile }: LabCluster): Endpoint {
  return {
    host: new URL(server).host,
    issuerUrl: issuer,
    issuerCa: caFile === undefined ? undefined : readFileSync(caFile, 'utf8'),
  }
}

async function uninstall({ world }: Session, { config }: LabCluster): Promise<void> {
  const kube = createKubeClient(config)
  try {
    await refuseWhileMounted(kube)
    await removeProduct(kube, objectsToRemove(world.packageRoot))
  } finally {
    kube.close()
  }
}

async function secretProviderClasses(kube: KubeClient): Promise<string[]> {
  try {
    const { items } = await kube.list(resources.secretProviderClasses)
    return items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
  } catch (error) {
    // Without the definition there are none.
    if (isNotFound(error)) return []
    throw error
  }
}
