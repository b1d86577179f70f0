import { join } from 'node:path'
import { loadKubeconfig } from '#kubernetes/client'
import { buildRootfs } from '#packaging/image'
import { stopBackground } from '../processes/background.ts'
import { findLocalCluster, type LocalCluster, startLocalCluster } from '../processes/lab-programs.ts'
import { areFree, freePorts } from '../processes/ports.ts'
import type { DaemonPorts, SharedMachine } from '../product/product-objects.ts'
import type { Session } from '../session.ts'
import type { ClusterPlace } from './cluster-place.ts'
import type { LabCluster } from './lab-cluster.ts'

/** Containers of the product run from a directory of this machine, so its image has a name that no registry serves. */
const imageRepository = 'keymount.local/keymount'

/** What shapes a local cluster, and what is known of its last start. */
export interface EmbeddedSettings {
  port: number
  nodeName?: string | undefined
  syncFrequency?: string | undefined
  /** Build of the product that it runs, if it runs. */
  localImage?: string | undefined
  daemonPorts?: DaemonPorts | undefined
}

/** A {@link LabCluster} whose image and ports are known. */
export interface EmbeddedCluster extends LabCluster {
  image: string
  shared: SharedMachine
}

/** The local cluster of a place, started when it does not run, and anew when it runs with an older build of the product. */
export async function embeddedCluster(
  { home, world, terminal }: Session,
  place: ClusterPlace,
  settings: EmbeddedSettings,
): Promise<EmbeddedCluster> {
  const rootfs = await terminal.step(
    'Image',
    () => buildRootfs(join(world.cacheDirectory, 'image')),
    ({ cached, hash }) => `${cached ? 'as built before' : 'built from the sources'} (${hash.slice(0, 12)})`,
  )
  const image = `${imageRepository}:${rootfs.hash.slice(0, 12)}`
  const running = findLocalCluster(home, place.program)
  const fits = running !== undefined && settings.localImage === image
  if (running !== undefined && !fits) await stopBackground(home, place.program)
  // Before the start: the pods of the last time, which it runs again, have these ports at once.
  const { daemonPorts: before } = settings
  const ports = fits && before !== undefined ? before : await daemonPorts(before)
  const start = () =>
    startLocalCluster(home, world, {
      ...place,
      port: settings.port,
      nodeName: settings.nodeName,
      images: { [image]: rootfs.path },
      syncFrequency: settings.syncFrequency,
    })
  const cluster = fits ? running : await terminal.step('Local cluster', start, describe)
  return asLabCluster(cluster, place, { image, ports })
}

/** A local cluster that runs, as the lab uses it. */
export function asLabCluster(
  cluster: LocalCluster,
  { providers }: ClusterPlace,
  { image, ports }: { image: string; ports: DaemonPorts },
): EmbeddedCluster {
  return {
    kubeconfig: cluster.kubeconfig,
    config: loadKubeconfig(cluster.kubeconfig),
    server: cluster.server,
    issuer: cluster.issuer,
    caFile: cluster.ca,
    kubeletRoot: cluster.kubeletRoot,
    addressForPods: '127.0.0.1',
    image,
    shared: { providersDirectory: providers, ports },
  }
}

/**
 * Any free ports do, since labs live side by side and nobody has to know them; those of the last time if they are still
 * free, or all pods would have to be made anew.
 */
async function daemonPorts(before: DaemonPorts | undefined): Promise<DaemonPorts> {
  if (before !== undefined && (await areFree(Object.values(before)))) return before
  const [driverMetrics = 0, driverHealth = 0, providerMetrics = 0, providerHealth = 0, webhook = 0, webhookHealth = 0] =
    await freePorts(6)
  return { driverMetrics, driverHealth, providerMetrics, providerHealth, webhook, webhookHealth }
}

function describe({ server, pid }: LocalCluster): string {
  return `API server at ${server} (process ${pid})`
}
