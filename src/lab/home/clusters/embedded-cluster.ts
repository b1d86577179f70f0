import { join } from 'node:path'
import { loadKubeconfig } from '#kubernetes/client'
import { buildRootfs } from '#packaging/image'
import { stopBackground } from '../processes/background.ts'
import { findLocalCluster, type LocalCluster, networkOf, startLocalCluster } from '../processes/lab-programs.ts'
import { areFree, concretePort, freePorts } from '../processes/ports.ts'
import type { DaemonPorts, SharedMachine } from '../product/product-objects.ts'
import type { Session } from '../session.ts'
import { type ClusterPlace, imageOverlayOf } from './cluster-place.ts'
import type { LabCluster } from './lab-cluster.ts'

/** Containers of Keymount run from a directory of this machine, so its image has a name that no registry serves. */
const imageRepository = 'keymount.local/keymount'

/** Keymount's image under any other name: what a chart or a manifest that was not adapted to the lab has. */
const anyImage = '*/keymount'

/** How a local cluster is started, and what it was last started with. */
export interface EmbeddedSettings {
  port: number
  nodeName?: string | undefined
  syncFrequency?: string | undefined
  podNetwork?: boolean | undefined
  /** Build of Keymount that it was last started with. */
  localImage?: string | undefined
  daemonPorts?: DaemonPorts | undefined
}

/** A {@link LabCluster} whose image and ports are known. */
export interface EmbeddedCluster extends LabCluster {
  image: string
  shared: SharedMachine
}

/** The local cluster of a place: started if it is not running, and restarted if it is running with an older build of Keymount. */
export async function embeddedCluster(
  { home, world, terminal }: Session,
  place: ClusterPlace,
  settings: EmbeddedSettings,
): Promise<EmbeddedCluster> {
  const rootfs = await terminal.step(
    'Image',
    () => buildRootfs(join(world.cacheDirectory, 'image')),
    ({ cached, hash }) =>
      `${cached ? 'unchanged since it was built' : 'built from the sources'} (${hash.slice(0, 12)})`,
  )
  const image = `${imageRepository}:${rootfs.hash.slice(0, 12)}`
  const running = findLocalCluster(home, place.program)
  const fits = running !== undefined && settings.localImage === image
  if (running !== undefined && !fits) await stopBackground(home, place.program)
  // Chosen before the start, because the pods of the last run are started again at once, with these ports.
  const { daemonPorts: before } = settings
  const ports = fits && before !== undefined ? before : await daemonPorts(before)
  const start = async () =>
    startLocalCluster(home, world, {
      ...place,
      port: await concretePort(settings.port),
      nodeName: settings.nodeName,
      images: { [image]: rootfs.path, [anyImage]: rootfs.path },
      imageOverlay: imageOverlayOf(place),
      syncFrequency: settings.syncFrequency,
      podNetwork: settings.podNetwork === true,
    })
  const cluster = fits ? running : await terminal.step('Local cluster', start, describe)
  return asLabCluster(cluster, place, { image, ports })
}

/** A running local cluster, as the lab uses it. */
export function asLabCluster(
  cluster: LocalCluster,
  place: ClusterPlace,
  { image, ports }: { image: string; ports: DaemonPorts | undefined },
): EmbeddedCluster {
  return {
    kubeconfig: cluster.kubeconfig,
    config: loadKubeconfig(cluster.kubeconfig),
    server: cluster.server,
    issuer: cluster.issuer,
    caFile: cluster.ca,
    kubeletRoot: cluster.kubeletRoot,
    // Pods that share the machine's network do not know the names of the cluster.
    tokenProxy:
      cluster.machineAddress !== undefined || cluster.tokenProxyName === undefined
        ? undefined
        : { url: cluster.server, sniName: cluster.tokenProxyName },
    addressForPods: cluster.machineAddress ?? '127.0.0.1',
    image,
    shared: {
      providersDirectory: place.providers,
      imageOverlay: imageOverlayOf(place),
      ports: cluster.machineAddress === undefined ? ports : undefined,
    },
  }
}

/**
 * Free ports: several labs can run side by side, and no user needs to know these ports. The ones of the last run are used
 * again if they are free, so that pods need not be replaced.
 */
async function daemonPorts(before: DaemonPorts | undefined): Promise<DaemonPorts> {
  if (before !== undefined && (await areFree(Object.values(before)))) return before
  const [driverMetrics = 0, driverHealth = 0, providerMetrics = 0, providerHealth = 0, webhook = 0, webhookHealth = 0] =
    await freePorts(6)
  return { driverMetrics, driverHealth, providerMetrics, providerHealth, webhook, webhookHealth }
}

function describe(cluster: LocalCluster): string {
  return `API server at ${cluster.server} (process ${cluster.pid}), ${networkOf(cluster)}`
}
