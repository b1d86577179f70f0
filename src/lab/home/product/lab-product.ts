import { readFileSync } from 'node:fs'
import { createKubeClient, type UntypedObject } from '#kubernetes/client'
import type { LabCluster } from '../clusters/lab-cluster.ts'
import type { LocalAzure } from '../processes/lab-programs.ts'
import type { Session } from '../session.ts'
import type { LabState } from '../state/lab-state.ts'
import { chartDefaults } from './chart-defaults.ts'
import { type WayToAzure, writeImageOverlay } from './image-overlay.ts'
import { installProduct } from './install-product.ts'
import { productObjects, readManifests } from './product-objects.ts'
import { type ProductStatus, waitForProduct } from './product-status.ts'

interface Installation {
  state: Pick<LabState, 'rotationPollInterval' | 'caching' | 'secretSync'> & { rotation?: boolean | undefined }
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
    await installProduct(kube, objectsFor(world.packageRoot, { state, cluster, azure }))
    return waitForProduct(kube, { signal: world.signal, probes: probesOf(cluster) })
  }
  try {
    return await terminal.step('Keymount', run, ({ pods }) => `driver and provider are running (${pods.length} pods)`)
  } finally {
    kube.close()
  }
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

/** Everything that `up` may have installed. Only names matter for the removal. */
export function objectsToRemove(packageRoot: string): UntypedObject[] {
  const anywhere = { kubeletRoot: '/var/lib/kubelet', azure: { proxy: '', imds: '', caPem: '', noProxy: [] } }
  return productObjects(readManifests(packageRoot, { secretSync: true }), anywhere)
}

function objectsFor(packageRoot: string, { state, cluster, azure }: Installation): UntypedObject[] {
  const { image, kubeletRoot, shared } = cluster
  const { rotation, rotationPollInterval, caching, secretSync = false } = state
  return productObjects(readManifests(packageRoot, { secretSync }), {
    ...{ image, kubeletRoot, shared, rotation, rotationPollInterval, caching },
    azure: azure === undefined ? undefined : wayToAzure(azure, cluster),
  })
}

function wayToAzure({ proxy, imds, ca }: LocalAzure, { server }: LabCluster): WayToAzure {
  const noProxy = new Set(['127.0.0.1', 'localhost', '.svc', new URL(server).hostname])
  return { proxy, imds, caPem: readFileSync(ca, 'utf8'), noProxy: [...noProxy] }
}

/** Health endpoints of the daemons, where they listen on this machine. */
function probesOf({ shared }: LabCluster): URL[] {
  if (shared === undefined) return []
  const { driverHealth, providerHealth } = shared.ports
  return [driverHealth, providerHealth].map((port) => new URL(`http://127.0.0.1:${port}/healthz`))
}
