import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { credentials } from '@grpc/grpc-js'
import type { KubeClient } from '#kubernetes/client'
import { NodeClient, type NodePublishVolumeRequest } from '#kubernetes/csi'
import { type Clock, silentLog } from '#lib'
import { forEachLimited } from '#lib/async'
import { driverProgram, startDriver } from '#product/driver'
import { type ProviderConfig, startProvider } from '#product/provider'
import { configOf } from '../../test/support/config-of.ts'
import { unary } from '../../test/support/driver.ts'
import { createFakeMounter } from '../../test/support/fake-mounter.ts'
import { podVolume } from '../../test/support/pod-volume.ts'

/** A node of the model: the real driver and the real provider, and sockets between them. Mounts are directories. */
export interface ModelNode {
  /** Publishes volumes as kubelet does for pods that start, a few at a time. */
  publish(pods: readonly ModelPod[]): Promise<void>
  stop(): Promise<void>
}

export interface ModelPod {
  name: string
  uid: string
  className: string
  /** Value of `csi.storage.k8s.io/serviceAccount.tokens`. */
  tokens: string
}

export interface ModelNodeOptions {
  name: string
  directory: string
  clock: Clock
  kube: KubeClient
  provider: Pick<ProviderConfig, 'http' | 'kube'>
  /** Go duration. */
  rotationPollInterval: string
}

/** As many volumes as kubelet of a small node starts at once. */
const atOnce = 4

export async function startModelNode(options: ModelNodeOptions): Promise<ModelNode> {
  const { name, directory, clock, kube, rotationPollInterval } = options
  const root = join(directory, name)
  const providers = join(root, 'p')
  for (const path of [providers, join(root, 'kubelet')]) mkdirSync(path, { recursive: true })
  const provider = await startProvider({
    endpoint: { kind: 'unix', path: join(providers, 'azure.sock') },
    version: 'model',
    log: silentLog,
    cloud: { cloudName: '', cloudFile: '', cloudFiles: '' },
    defaultTenantId: '',
    clock,
    ...options.provider,
  })
  const socket = join(root, 'csi.sock')
  const flags = [`--endpoint=unix://${socket}`, `--nodeid=${name}`, `--provider-volume=${providers}`]
  const off = ['--additional-provider-volume-paths=', '--registration-dir=', '--metrics-addr=', '--health-addr=']
  const rotation = ['--enable-secret-rotation', `--rotation-poll-interval=${rotationPollInterval}`]
  const driver = await startDriver(configOf(driverProgram, [...flags, ...off, ...rotation]), {
    kube,
    mounter: createFakeMounter(),
    log: silentLog,
    version: 'model',
    clock,
  })
  const client = new NodeClient(`unix:${socket}`, credentials.createInsecure(), {
    'grpc.default_authority': 'localhost',
  })
  return {
    publish: (pods) =>
      forEachLimited(pods, atOnce, async (pod) => {
        await unary(client, client.nodePublishVolume, requestOf(join(root, 'kubelet'), pod))
      }),
    async stop() {
      client.close()
      await driver.stop()
      await provider.stop()
    },
  }
}

function requestOf(kubeletRoot: string, { name, uid, className, tokens }: ModelPod): NodePublishVolumeRequest {
  const { request } = podVolume({ kubeletRoot, name, namespace: 'default', uid, className, volume: 'secrets' })
  const volumeContext = {
    ...request.volumeContext,
    'csi.storage.k8s.io/serviceAccount.name': 'app',
    'csi.storage.k8s.io/serviceAccount.tokens': tokens,
  }
  return { ...request, volumeContext }
}
