import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { buildRootfs } from '#packaging/image'
import type { HelmCluster } from './helm-release.ts'
import { startLocalCluster } from './local-cluster.ts'
import { imageCache } from './run-cli.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** A local cluster whose pods have networks of their own and run the product from this tree. It ends with the test. */
export async function startPodNetworkCluster(t: TestContext): Promise<HelmCluster> {
  const imageOverlay = temporaryDirectory(t, 'overlay-')
  const { path } = await buildRootfs(imageCache)
  const cluster = await startLocalCluster(t, {
    podNetwork: true,
    syncFrequencyMs: 10_000,
    imageOverlay,
    images: new Map([['*/keymount', path]]),
  })
  const { machineAddress } = cluster
  if (machineAddress === undefined) throw new Error(`no pod networks: ${cluster.podNetworkProblem}`)
  const seen = (url: string) => `http://${machineAddress}:${new URL(url).port}`
  return {
    kubeconfig: cluster.kubeconfig,
    isTemporary: true,
    listen: '127.0.0.1',
    kubeletRoot: cluster.kubeletRoot,
    noProxy: ['10.96.0.1', '.cluster.local', machineAddress, '169.254.169.254'],
    seenByPods({ proxyUrl, imds }) {
      const urls = [proxyUrl, imds]
      const forwards = Object.fromEntries(urls.map((url) => [new URL(seen(url)).host, new URL(url).host]))
      writeFileSync(join(imageOverlay, '.forwards'), JSON.stringify(forwards))
      return { proxyUrl: seen(proxyUrl), imds: seen(imds) }
    },
  }
}
