import { readFileSync } from 'node:fs'
import { createKubeClient, type UntypedObject } from '#kubernetes/client'
import { networkAddresses } from '#lab/router'
import { countOf } from '#terminal'
import type { LabCluster } from '../clusters/lab-cluster.ts'
import type { LocalAzure } from '../processes/lab-programs.ts'
import type { Session } from '../session.ts'
import type { LabState } from '../state/lab-state.ts'
import { chartDefaults } from './chart-defaults.ts'
import { type WayToAzure, writeImageOverlay } from './image-overlay.ts'
import { installProduct, removeProduct } from './install-product.ts'
import { productObjects, readManifests } from './product-objects.ts'
import { type ProductStatus, waitForProduct } from './product-status.ts'
import { syncObjects } from './sync-objects.ts'

interface Installation {
  state: Pick<LabState, 'rotationPollInterval' | 'caching' | 'secretSync' | 'sync'> & { rotation?: boolean | undefined }
  cluster: LabCluster
  azure: LocalAzure | undefined
}

/** Installs Keymount in the lab's cluster, or updates it, and waits until it works. */
export async function bringUpProduct(
  { world, terminal }: Session,
  { state, cluster, azure }: Installation,
): Promise<ProductStatus> {
  const kube = createKubeClient(cluster.config)
  const run = async () => {
    if (isManaged(cluster)) await removeProduct(kube, earlierDaemonSets(world.packageRoot))
    await installProduct(kube, objectsFor(world.packageRoot, { state, cluster, azure }))
    return waitForProduct(kube, { signal: world.signal, probes: probesOf(cluster) })
  }
  try {
    return await terminal.step('Keymount', run, ({ pods }) => partsText(pods.length, state))
  } finally {
    kube.close()
  }
}

/** What the lab has installed, one line per part. */
export function partsText(pods: number, { secretSync, sync }: Pick<LabState, 'secretSync' | 'sync'>): string {
  return [
    `driver and provider are running (${countOf(pods, 'pod')})`,
    ...(secretSync === true ? ['the driver writes Kubernetes Secrets (secretObjects)'] : []),
    ...(sync === true ? ['the controller of SecretSyncs is installed'] : []),
  ].join('\n')
}

/** Prepares a cluster for an installation of Keymount by its user: settings for the charts of the package, and the way to the local Azure. */
export async function prepareForInstallation(cluster: LabCluster, azure: LocalAzure): Promise<void> {
  const kube = createKubeClient(cluster.config)
  const way = wayToAzure(azure, cluster)
  if (cluster.shared?.imageOverlay !== undefined) writeImageOverlay(cluster.shared.imageOverlay, way)
  try {
    await installProduct(kube, [chartDefaults({ ...cluster, azure: way })])
  } finally {
    kube.close()
  }
}

/** Waits until Keymount, which the local Azure installs, works in a cluster. */
export async function waitForInstalled({ world }: Session, cluster: LabCluster): Promise<ProductStatus> {
  const kube = createKubeClient(cluster.config)
  try {
    return await waitForProduct(kube, { signal: world.signal, probes: probesOf(cluster) })
  } finally {
    kube.close()
  }
}

/** Everything that the lab may have installed in a cluster. Only names matter for the removal. */
export function objectsToRemove(packageRoot: string, cluster?: LabCluster): UntypedObject[] {
  const azure = { proxy: '', imds: '', caPem: '', noProxy: [] }
  const addon = cluster !== undefined && isManaged(cluster)
  const objects = productObjects(readManifests(packageRoot, { secretSync: true }), {
    kubeletRoot: '/var/lib/kubelet',
    azure,
    addon,
  })
  const sync = syncObjects(packageRoot, { shared: cluster?.shared })
  return addon ? [...objects, ...sync, ...earlierDaemonSets(packageRoot)] : [...objects, ...sync]
}

/**
 * Whether Keymount has the names and labels of the AKS add-on there. In the user's own cluster it never has, even when that
 * cluster backs a managed one: a real AKS cluster may run its own add-on, whose DaemonSets must not be replaced or removed.
 */
function isManaged({ shared }: LabCluster): boolean {
  return shared !== undefined
}

/**
 * The DaemonSets of the add-on under the names that earlier versions gave them. They go before the new ones are installed,
 * because both use the same sockets and ports of the node.
 */
function earlierDaemonSets(packageRoot: string): UntypedObject[] {
  return readManifests(packageRoot, { secretSync: false }).filter(({ kind }) => kind === 'DaemonSet')
}

function objectsFor(packageRoot: string, { state, cluster, azure }: Installation): UntypedObject[] {
  const { image, kubeletRoot, shared, tokenProxy } = cluster
  const { rotation, rotationPollInterval, caching, secretSync = false, sync = false } = state
  const product = productObjects(readManifests(packageRoot, { secretSync }), {
    ...{ image, kubeletRoot, shared, tokenProxy, rotation, rotationPollInterval, caching },
    azure: azure === undefined ? undefined : wayToAzure(azure, cluster),
    addon: isManaged(cluster),
  })
  return sync ? [...product, ...syncObjects(packageRoot, { image, shared, rotationPollInterval, caching })] : product
}

function wayToAzure({ proxy, imds, ca }: LocalAzure, { server, shared, addressForPods }: LabCluster): WayToAzure {
  const noProxy = ['127.0.0.1', 'localhost', '.svc', new URL(server).hostname]
  const caPem = readFileSync(ca, 'utf8')
  if (shared === undefined || shared.ports !== undefined) return { proxy, imds, caPem, noProxy: [...new Set(noProxy)] }
  const { apiServer, metadata } = networkAddresses
  const seenByPods = (url: string) => `http://${addressForPods}:${new URL(url).port}`
  return {
    proxy: seenByPods(proxy),
    imds: seenByPods(imds),
    caPem,
    noProxy: [...new Set([...noProxy, '.cluster.local', apiServer, addressForPods, metadata])],
    forwards: {
      [new URL(seenByPods(proxy)).host]: new URL(proxy).host,
      [new URL(seenByPods(imds)).host]: new URL(imds).host,
      [`${metadata}:80`]: new URL(imds).host,
    },
  }
}

/** Health endpoints of the daemons, where they listen on this machine. */
function probesOf({ shared }: LabCluster): URL[] {
  if (shared?.ports === undefined) return []
  const { driverHealth, providerHealth } = shared.ports
  return [driverHealth, providerHealth].map((port) => new URL(`http://127.0.0.1:${port}/healthz`))
}
