import type { KubeClient } from '#kubernetes/client'
import { Code } from '#kubernetes/grpc'
import { type MountRequest, ProviderError, parseHeldToken } from '#kubernetes/provider-protocol'
import { silentLog } from '#lib'
import { forEachLimited } from '#lib/async'
import type { HttpClient } from '#lib/http'
import { inlineTasks } from '#lib/worker'
import { driverProgram, type Mounter } from '#product/driver'
import { nodePublishVolume } from '../../../src/product/driver/rpc/node-publish-volume.ts'
import { createNode, startBackgroundWork } from '../../../src/product/driver/start-driver.ts'
import { createProviderMetrics } from '../../../src/product/provider/provider-metrics.ts'
import { openMount } from '../../../src/product/provider/start-provider.ts'
import { configOf } from '../../../test/support/config-of.ts'
import { podVolume } from '../../../test/support/pod-volume.ts'
import type { FleetTime } from './fleet-time.ts'

export interface FleetNodeOptions {
  name: string
  time: FleetTime
  kube: KubeClient
  azure: HttpClient
  /** Go duration. */
  rotationPollInterval: string
  /** Value of `csi.storage.k8s.io/serviceAccount.tokens`. */
  tokens: string
}

/** As many volumes as kubelet of a small node starts at once. */
const atOnce = 4

/** The real driver and the real provider of a node, without the sockets between them. @returns what publishes volumes of classes. */
export function startFleetNode(options: FleetNodeOptions): (classes: readonly string[]) => Promise<void> {
  const { name, time, kube, azure, rotationPollInterval, tokens } = options
  const { clock } = time
  const started = new AsyncDisposableStack()
  const config = configOf(driverProgram, [
    `--nodeid=${name}`,
    '--enable-secret-rotation',
    `--rotation-poll-interval=${rotationPollInterval}`,
  ])
  const world = { kube, mounter: createMounter(), log: silentLog, version: 'model', clock, tasks: inlineTasks() }
  const driver = createNode(config, { ...world, providers: providerOf(options, started) }, started)
  startBackgroundWork(driver, new AbortController().signal, started)
  void azure
  return (classes) =>
    forEachLimited(classes, atOnce, async (className) => {
      const uid = `${name}-${className}`
      const volume = { kubeletRoot: '/k', name: uid, namespace: 'default', uid, className, volume: 'secrets' }
      const { request } = podVolume(volume)
      const volumeContext = {
        ...request.volumeContext,
        'csi.storage.k8s.io/serviceAccount.name': 'app',
        'csi.storage.k8s.io/serviceAccount.tokens': tokens,
      }
      await nodePublishVolume(driver, { ...request, volumeContext }, new AbortController().signal)
    })
}

function providerOf({ azure, time }: FleetNodeOptions, started: AsyncDisposableStack) {
  const { clock } = time
  const config = {
    endpoint: { kind: 'unix' as const, path: '/none' },
    version: 'model',
    log: silentLog,
    cloud: { cloudName: '', cloudFile: '', cloudFiles: '' },
    defaultTenantId: '',
    http: {},
    clock,
  }
  const mount = openMount(config, { metrics: createProviderMetrics({ clock }), clock, started, client: azure })
  return {
    async mount(_provider: string, request: MountRequest) {
      const {
        response,
        stale,
        vaults,
        heldToken: held,
      } = await mount(request).catch((error: unknown) => {
        throw new ProviderError('rpc', Code.UNAVAILABLE, String(error))
      })
      const heldToken = parseHeldToken(held)
      return { ...response, stale, vaults: vaults === '' ? [] : vaults.split(','), heldToken }
    },
    version: () => Promise.reject(new Error('not in the model')),
    stop: () => {},
  }
}

/** Mounts that are only remembered. */
function createMounter(): Mounter {
  const mounts = new Set<string>()
  return {
    resolve: async (path) => path,
    existing: async (path) => path,
    isMounted: async (target) => mounts.has(target),
    mounted: async () => new Set(mounts),
    mountedAmong: async (targets) => new Set(targets.filter((target) => mounts.has(target))),
    mount: async (target) => void mounts.add(target),
    makeRoom: async () => {},
    memoryOf: async () => 64 * 1024,
    unmount: async (target) => void mounts.delete(target),
  }
}
