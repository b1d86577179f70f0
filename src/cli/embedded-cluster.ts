import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildRootfs } from '../image/index.ts'
import { loadKubeconfig } from '../kube/index.ts'
import { stopBackground } from './background.ts'
import type { LabCluster } from './lab-cluster.ts'
import { findLocalCluster, type LocalCluster, startLocalCluster } from './lab-programs.ts'
import type { LabState } from './lab-state.ts'
import { areFree, freePorts } from './ports.ts'
import type { DaemonPorts } from './product/product-objects.ts'
import type { Session } from './session.ts'

/** Containers of the product run from a directory of this machine, so its image has a name that no registry serves. */
const imageRepository = 'keymount.local/keymount'

/** The local cluster, started when it does not run, and anew when it runs with an older build of the product. */
export async function embeddedCluster({ home, world, terminal }: Session, state: LabState): Promise<LabCluster> {
  const rootfs = await terminal.step(
    'Image',
    () => buildRootfs(join(world.cacheDirectory, 'image')),
    ({ cached, hash }) => `${cached ? 'as built before' : 'built from the sources'} (${hash.slice(0, 12)})`,
  )
  const image = `${imageRepository}:${rootfs.hash.slice(0, 12)}`
  const running = findLocalCluster(home)
  const fits = running !== undefined && state.localImage === image
  if (running !== undefined && !fits) await stopBackground(home, 'local-cluster')
  // Before the start: the pods of the last time, which it runs again, have these ports at once.
  const ports = fits && state.daemonPorts !== undefined ? state.daemonPorts : await daemonPorts(state.daemonPorts)
  const start = () =>
    startLocalCluster(home, world, {
      port: state.ports.cluster,
      images: { [image]: rootfs.path },
      syncFrequency: state.syncFrequency,
    })
  const cluster = fits ? running : await terminal.step('Local cluster', start, describe)
  copyFileSync(cluster.ca, home.clusterCa)
  return {
    kubeconfig: cluster.kubeconfig,
    config: loadKubeconfig(cluster.kubeconfig),
    server: cluster.server,
    issuer: cluster.issuer,
    caFile: cluster.ca,
    kubeletRoot: cluster.kubeletRoot,
    addressForPods: state.listen,
    image,
    shared: { providersDirectory: home.providers, ports },
  }
}

/**
 * Any free ports do, since labs live side by side and nobody has to know them; those of the last time if they are still
 * free, or all pods would have to be made anew.
 */
async function daemonPorts(before: DaemonPorts | undefined): Promise<DaemonPorts> {
  if (before !== undefined && (await areFree(Object.values(before)))) return before
  const [driverMetrics = 0, driverHealth = 0, providerMetrics = 0, providerHealth = 0] = await freePorts(4)
  return { driverMetrics, driverHealth, providerMetrics, providerHealth }
}

function describe({ server, pid }: LocalCluster): string {
  return `API server at ${server} (process ${pid})`
}
