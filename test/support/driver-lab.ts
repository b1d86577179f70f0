import { randomUUID } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createKubeClient,
  type KubeClient,
  loadKubeconfig,
  resources,
  type SecretProviderClass,
} from '#kubernetes/client'
import { startLocalCluster } from '#lab/cluster'
import { silentLog } from '#lib'
import { createLinuxMounter } from '#product/driver'
import { type ApiProxy, startApiProxy } from './api-proxy.ts'
import { createDefinitions } from './custom-resources.ts'
import { unary } from './driver.ts'
import { type DriverProcess, type DriverProcessOptions, startDriverProcess } from './driver-process.ts'
import { type FakeProvider, objectsAttribute, startFakeProvider } from './fake-provider.ts'
import { podVolume, type TestPod } from './pod-volume.ts'

/** The driver as a process of its own that mounts for real, with everything around it in this one. For crashes, chaos and benches. */
export interface DriverLab {
  readonly root: string
  readonly kubeletRoot: string
  readonly kube: KubeClient
  readonly api: ApiProxy
  readonly provider: FakeProvider
  driver: DriverProcess
  startDriver(more?: Partial<DriverProcessOptions>): Promise<void>
  createClass(name: string, objects: readonly string[], spec?: SecretProviderClass['spec']): Promise<void>
  /** A pod that exists, with a volume of an existing class. */
  pod(className: string, name?: string): Promise<TestPod>
  publish(pod: TestPod): Promise<void>
  unpublish(pod: TestPod): Promise<void>
  stop(): Promise<void>
}

/** @param options.direct the driver speaks to the API server itself, past the proxy: for measuring. */
export async function startDriverLab(
  options: Partial<DriverProcessOptions> & { direct?: boolean } = {},
): Promise<DriverLab> {
  const root = realpathSync(await mkdtemp(join(tmpdir(), 'keymount-lab-')))
  const kubeletRoot = join(root, 'kubelet')
  const cluster = await startLocalCluster({
    stateDir: join(root, 'cluster'),
    port: 0,
    nodeName: 'another-node',
    log: silentLog,
  })
  const kube = createKubeClient(loadKubeconfig(cluster.kubeconfig))
  await createDefinitions(kube)
  const api = await startApiProxy(cluster.kubeconfig, join(root, 'kubeconfig'))
  const provider = await startFakeProvider(join(root, 'providers'))
  const launch = (more: Partial<DriverProcessOptions> = {}) =>
    startDriverProcess({
      root,
      kubeconfig: options.direct === true ? cluster.kubeconfig : api.kubeconfig,
      ...options,
      ...more,
    })
  const lab: DriverLab = {
    root,
    kubeletRoot,
    kube,
    api,
    provider,
    driver: await launch(),
    async startDriver(more) {
      lab.driver = await launch(more)
    },
    async createClass(name, objects, spec = {}) {
      const parameters = { objects: objectsAttribute(objects), ...spec.parameters }
      const kind = { apiVersion: 'secrets-store.csi.x-k8s.io/v1', kind: 'SecretProviderClass' }
      const metadata = { name, namespace: 'default' }
      await kube.create(resources.secretProviderClasses, {
        ...kind,
        metadata,
        spec: { ...spec, provider: provider.name, parameters },
      })
    },
    async pod(className, name = `pod-${randomUUID().slice(0, 8)}`) {
      const { metadata } = await kube.create(resources.pods, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: 'default' },
        spec: { nodeName: 'node-1', containers: [{ name: 'app', image: 'busybox' }] },
      })
      return podVolume({
        kubeletRoot,
        name,
        namespace: 'default',
        uid: metadata.uid ?? '',
        className,
        volume: 'secrets',
      })
    },
    async publish({ request }) {
      await unary(lab.driver.node, lab.driver.node.nodePublishVolume, request)
    },
    async unpublish({ request: { volumeId, targetPath } }) {
      await unary(lab.driver.node, lab.driver.node.nodeUnpublishVolume, { volumeId, targetPath })
    },
    async stop() {
      await lab.driver.kill()
      const mounter = createLinuxMounter()
      for (const path of await mounter.mounted()) if (path.startsWith(kubeletRoot)) await mounter.unmount(path)
      await lab.provider.stop()
      await api.stop()
      kube.close()
      await cluster.stop()
      await rm(root, { recursive: true, force: true })
    },
  }
  return lab
}
