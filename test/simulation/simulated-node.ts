import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { createKubeClient } from '#kubernetes/client'
import { type NodePublishVolumeRequest, VolumeCapability_AccessMode_Mode } from '#kubernetes/csi'
import { Code, rpcStatus } from '#kubernetes/grpc'
import { inlineTasks } from '#lib/worker'
import { driverProgram, type Mounter } from '#product/driver'
import type { Node as Driver } from '../../src/product/driver/node.ts'
import { nodePublishVolume } from '../../src/product/driver/rpc/node-publish-volume.ts'
import { nodeUnpublishVolume } from '../../src/product/driver/rpc/node-unpublish-volume.ts'
import { createNode, startBackgroundWork } from '../../src/product/driver/start-driver.ts'
import { configOf } from '../support/config-of.ts'
import { createFakeMounter } from '../support/fake-mounter.ts'
import { connectToApiServer, type Network } from './network.ts'
import { type SimulatedApiServer, serverUrl } from './simulated-api-server.ts'
import { createProcess, type SimulatedProcess } from './simulated-process.ts'
import type { SimulatedVaults } from './simulated-vaults.ts'
import type { World } from './world.ts'

/** A pod with one volume, as kubelet has it. */
export interface SimulatedPod {
  readonly name: string
  readonly namespace: string
  readonly uid: string
  readonly className: string
  readonly nodeName: string
  readonly targetPath: string
  /** Whether the first publish has succeeded: its container runs and reads the files. */
  running: boolean
  /** Whether the pod is being deleted. */
  leaving: boolean
  /** Whether something may be mounted, as far as kubelet knows: what failed for good left nothing. */
  mayBeMounted: boolean
  /** The call for this pod that is in progress: kubelet makes one at a time. */
  calling: Promise<unknown>
  /** The last target of `..data` that was read, and the content behind it. */
  seen: { link: string; content: string } | undefined
}

/** A node of the cluster: its kernel, its kubelet, and the driver's process, which comes and goes. */
export interface SimulatedNode {
  readonly name: string
  readonly pods: Map<string, SimulatedPod>
  /** Undefined while the driver is down. */
  driver: RunningDriver | undefined
  /** Mounts that the kernel has. */
  readonly mounter: Mounter & { readonly mounts: ReadonlySet<string> }
  readonly world: World
  readonly server: SimulatedApiServer
  readonly vaults: SimulatedVaults
  readonly directory: string
  readonly intervalMs: number
}

interface RunningDriver {
  process: SimulatedProcess
  network: Network
  node: Driver
}

export interface NodeOptions {
  name: string
  server: SimulatedApiServer
  vaults: SimulatedVaults
  directory: string
  /** Rotation interval. */
  intervalMs: number
}

export function startNode(world: World, { name, server, vaults, directory, intervalMs }: NodeOptions): SimulatedNode {
  const node: SimulatedNode = {
    name,
    pods: new Map(),
    driver: undefined,
    mounter: createFakeMounter(),
    world,
    server,
    vaults,
    directory: join(directory, name),
    intervalMs,
  }
  startDriver(node)
  return node
}

function startDriver(node: SimulatedNode): void {
  const { world, server, vaults, name, intervalMs } = node
  const process = createProcess(world, `${name}/driver`, { crashChance: 0.002, clockDrift: 0.001 })
  const network = connectToApiServer(world, server, process)
  const { clock } = process
  const { random } = world
  const kube = createKubeClient(
    { server: serverUrl, namespace: 'default' },
    { transport: network.transport, clock, random: random.next },
  )
  const config = configOf(driverProgram, [
    `--nodeid=${name}`,
    '--enable-secret-rotation',
    `--rotation-poll-interval=${intervalMs / 1000}s`,
  ])
  const parts = {
    kube,
    mounter: mounterOf(node, process),
    log: world.logOf(`${name}/driver`),
    version: 'simulation',
    clock,
    providers: vaults.providerFor(name, process),
    tickOffset: random.next(),
    tasks: inlineTasks(),
  }
  // Never disposed of: a process that dies stops nothing.
  const started = new AsyncDisposableStack()
  const driver = createNode(config, parts, started)
  node.driver = { process, network, node: driver }
  process.onKill(() => {
    node.driver = undefined
    world.time.after(random.between(200, 20_000), () => startDriver(node))
  })
  startBackgroundWork(driver, new AbortController().signal, started)
}

/** The kernel's part of a mounter: what has begun is done, whether the driver lives to see it or not. */
function mounterOf({ world, mounter }: SimulatedNode, process: SimulatedProcess): Mounter {
  const { random } = world
  const through = <T>(what: string, run: () => Promise<T>) => {
    if (!world.stormy || !random.chance(0.005)) return process.effect(what, random.between(0.1, 5), run)
    world.count('mounter fails')
    return process.effect(what, 1, () => Promise.reject(new Error(`simulated failure of ${what}`)))
  }
  return {
    // What fails here for good is a path that is a link.
    resolve: (path) => process.effect('resolve', random.between(0.1, 5), () => mounter.resolve(path)),
    existing: (path) => through('existing', () => mounter.existing(path)),
    isMounted: (target) => through('isMounted', () => mounter.isMounted(target)),
    mounted: () => through('mounted', () => mounter.mounted()),
    mountedAmong: (targets) => through('mountedAmong', () => mounter.mountedAmong(targets)),
    mount: (target, options) => through('mount', () => mounter.mount(target, options)),
    makeRoom: (target, bytes) => through('makeRoom', () => mounter.makeRoom(target, bytes)),
    memoryOf: (target) => through('memoryOf', () => mounter.memoryOf(target)),
    unmount: (target) => through('unmount', () => mounter.unmount(target)),
  }
}

/** A pod that exists in the API arrives on the node. */
export function runPod(node: SimulatedNode, pod: Pick<SimulatedPod, 'name' | 'namespace' | 'uid' | 'className'>): void {
  const targetPath = join(node.directory, 'pods', pod.uid, 'volumes/kubernetes.io~csi/secrets/mount')
  const running: SimulatedPod = {
    ...pod,
    nodeName: node.name,
    targetPath,
    running: false,
    leaving: false,
    mayBeMounted: false,
    calling: Promise.resolve(),
    seen: undefined,
  }
  node.pods.set(pod.uid, running)
  void publishUntilRunning(node, running)
}

/** kubelet's wait between tries of one operation: doubled up to two minutes. */
const firstRetryMs = 500
const maxRetryMs = 122_000
const rpcTimeoutMs = 120_000

async function publishUntilRunning(node: SimulatedNode, pod: SimulatedPod): Promise<void> {
  for (let wait = firstRetryMs; !pod.leaving; wait = Math.min(wait * 2, maxRetryMs)) {
    if (await publish(node, pod)) {
      pod.running = true
      node.world.note(`${pod.name} runs on ${node.name}`)
      checkContent(node, pod)
      break
    }
    await sleep(node.world, wait)
  }
  await republish(node, pod)
}

async function republish(node: SimulatedNode, pod: SimulatedPod): Promise<void> {
  for (;;) {
    await sleep(node.world, node.world.random.between(60_000, 90_000))
    if (pod.leaving) return
    await publish(node, pod)
  }
}

/** Codes after which kubelet does not know whether the volume is mounted; after others it takes for granted that it is not. */
const uncertain = new Set<unknown>([
  Code.CANCELLED,
  Code.DEADLINE_EXCEEDED,
  Code.RESOURCE_EXHAUSTED,
  Code.ABORTED,
  Code.UNAVAILABLE,
])

async function publish(node: SimulatedNode, pod: SimulatedPod): Promise<boolean> {
  const call = callDriver(node, (driver, signal) => nodePublishVolume(driver, requestOf(node, pod), signal))
  pod.calling = call
  const code = await call
  if (code === Code.OK || uncertain.has(code)) pod.mayBeMounted = true
  else if (!pod.running) {
    pod.mayBeMounted = false
    if (node.mounter.mounts.has(pod.targetPath)) node.world.violate(`${pod.name} is mounted after a failure (${code})`)
  }
  return code === Code.OK
}

/** The pod is deleted: kubelet unmounts its volume, and only then does the pod go. */
export async function stopPod(node: SimulatedNode, pod: SimulatedPod): Promise<void> {
  pod.leaving = true
  await pod.calling
  const request = { volumeId: `csi-${pod.uid}`, targetPath: pod.targetPath }
  for (let wait = firstRetryMs; pod.mayBeMounted; wait = Math.min(wait * 2, maxRetryMs)) {
    const code = await callDriver(node, (driver, signal) => nodeUnpublishVolume(driver, request, signal))
    if (code === Code.OK) break
    await sleep(node.world, wait)
  }
  if (existsSync(pod.targetPath)) node.world.violate(`${pod.targetPath} is there after ${pod.name} has left`)
  if (node.mounter.mounts.has(pod.targetPath))
    node.world.violate(`${pod.targetPath} is mounted after ${pod.name} has left`)
  node.pods.delete(pod.uid)
  node.world.note(`${pod.name} has left ${node.name}`)
}

function sleep(world: World, ms: number): Promise<void> {
  return new Promise((resolve) => world.time.after(ms, () => resolve()))
}

/** The code of the driver's answer. A driver that dies, or is down, breaks the connection. */
function callDriver(
  node: SimulatedNode,
  call: (driver: Driver, signal: AbortSignal) => Promise<unknown>,
): Promise<unknown> {
  const { driver, world } = node
  if (driver === undefined) return Promise.resolve(Code.UNAVAILABLE)
  return new Promise((resolve) => {
    const abort = new AbortController()
    const end = (code: unknown) => {
      cancel()
      resolve(code)
    }
    const cancel = world.time.after(rpcTimeoutMs, () => {
      abort.abort(new Error('kubelet does not wait any longer'))
      end(Code.DEADLINE_EXCEEDED)
    })
    driver.process.onKill(() => end(Code.UNAVAILABLE))
    call(driver.node, abort.signal).then(
      () => end(Code.OK),
      (error: unknown) => {
        const { code, details } = rpcStatus(error)
        world.note(`${node.name}: ${code} ${details}`)
        end(code)
      },
    )
  })
}

function requestOf({ world }: SimulatedNode, pod: SimulatedPod): NodePublishVolumeRequest {
  const prefix = 'csi.storage.k8s.io'
  return {
    volumeId: `csi-${pod.uid}`,
    targetPath: pod.targetPath,
    stagingTargetPath: '',
    publishContext: {},
    readonly: true,
    secrets: {},
    volumeCapability: {
      accessType: { $case: 'mount', value: { fsType: '', mountFlags: [], volumeMountGroup: '' } },
      accessMode: { mode: VolumeCapability_AccessMode_Mode.MULTI_NODE_READER_ONLY },
    },
    volumeContext: {
      secretProviderClass: pod.className,
      [`${prefix}/pod.name`]: pod.name,
      [`${prefix}/pod.namespace`]: pod.namespace,
      [`${prefix}/pod.uid`]: pod.uid,
      [`${prefix}/ephemeral`]: 'true',
      [`${prefix}/serviceAccount.name`]: 'default',
      [`${prefix}/serviceAccount.tokens`]: JSON.stringify({
        'api://AzureADTokenExchange': { token: `token-of-${pod.uid}-${Math.round(world.time.now)}` },
      }),
    },
  }
}

/**
 * What a container sees: one complete answer to its own pod. A switch of the files brings another content: the same content
 * is never written again.
 */
export function checkContent(node: SimulatedNode, pod: SimulatedPod): void {
  const { world, vaults } = node
  const link = dataLinkOf(pod)
  if (link === undefined) {
    if (pod.running && !pod.leaving) world.violate(`${pod.name} runs without files`)
    return
  }
  if (pod.seen?.link === link) return
  const content = JSON.stringify(readContent(pod))
  if (!vaults.answersTo(pod.uid).some((answer) => isSame(answer, content))) {
    world.violate(`the volume of ${pod.name} is not one answer to it: ${content}`)
  }
  if (pod.seen?.content === content) world.violate(`the volume of ${pod.name} was written again with the same content`)
  pod.seen = { link, content }
}

function isSame(answer: Readonly<Record<string, string>>, content: string): boolean {
  return JSON.stringify(Object.fromEntries(Object.entries(answer).toSorted(([a], [b]) => (a < b ? -1 : 1)))) === content
}

function dataLinkOf({ targetPath }: SimulatedPod): string | undefined {
  try {
    return readlinkSync(join(targetPath, '..data'))
  } catch {
    return undefined
  }
}

/** The files as a container reads them, in the order of their names. */
export function readContent({ targetPath }: SimulatedPod): Record<string, string> {
  const names = readdirSync(targetPath).filter((name) => !name.startsWith('..'))
  return Object.fromEntries(names.toSorted().map((name) => [name, readFileSync(join(targetPath, name), 'utf8')]))
}
