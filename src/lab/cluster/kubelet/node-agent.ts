import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createEventRecorder, follow, type KubeClient, type Pod, resources } from '#kubernetes/client'
import { networkAddresses } from '#lab/router'
import { type Clock, type Log, type Running, sleep, systemClock } from '#lib'
import { readMounts } from '#lib/files'
import type { PodNetwork } from '../network/pod-network.ts'
import type { ContainerTarget, NodeRuntime } from '../node-runtime.ts'
import { readLog } from './container-logs.ts'
import type { ContainerRunner } from './container-runner.ts'
import { readIdentityLimits } from './credentials.ts'
import { createCsiVolumes } from './csi-volume.ts'
import { execInContainer } from './exec-session.ts'
import { createHostPaths } from './host-paths.ts'
import { createToolbox, findHostPrograms, type HostPrograms } from './host-programs.ts'
import { createImages } from './images.ts'
import { mountNodeDirectories, type NodeDirectories } from './node-directories.ts'
import { startNodeObject } from './node-object.ts'
import { saveCsiNode, startPluginManager } from './plugin-manager.ts'
import type { PodContext } from './pod-context.ts'
import { releaseVolumes } from './pod-volumes.ts'
import { createPodWorker, type PodWorker } from './pod-worker.ts'
import { createPodTokens } from './token-cache.ts'
import { createVolumes } from './volumes.ts'

export interface NodeAgentOptions {
  /** Client with the credentials of the node. Without pod networks, its server is that of the pods, too. */
  kube: KubeClient
  nodeName: string
  /** Address of the node; without pod networks that of every pod too, since they share the machine's. Default 127.0.0.1. */
  nodeIP?: string | undefined
  /** Default: pods share the machine's network. */
  network?: PodNetwork | undefined
  /** The counterpart of /var/lib/kubelet: plugin sockets and CSI volumes are at the same places below it. */
  kubeletRoot: string
  /** State directory of the cluster: the file system of the node is in it, and the logs of containers. */
  stateDir: string
  /** Image name → directory with its root file system. */
  images: ReadonlyMap<string, string>
  /** Directory that lies over every image in `images`. Default: none. */
  imageOverlay?: string | undefined
  /** Time between two refreshes of a pod's volumes, in milliseconds. kubelet: 60,000. */
  syncFrequencyMs: number
  clock?: Clock | undefined
  log: Log
}

/** Grace period of containers when the node agent stops, in milliseconds. */
const stopGraceMs = 1000
/** Time that `stop` waits for pods, twice, before it unmounts their volumes; in milliseconds. */
const stopPatienceMs = 5000

/**
 * Runs the pods of one node. Throws when the machine lacks a program or a permission that pods need.
 * When the agent stops, or is killed, so are its pods' processes; the next agent runs the pods again.
 */
export async function startNodeAgent(options: NodeAgentOptions): Promise<NodeRuntime & Running> {
  const programs = findHostPrograms()
  await using started = new AsyncDisposableStack()
  const directories = await mountNodeDirectories(options.kubeletRoot, programs)
  started.defer(() => directories.unmount())
  const context = await startContext(options, programs, directories, started)
  const pods = followPods(context, options.nodeName, directories)
  started.defer(() => pods.stop())
  const running = started.move()
  let stopping: Promise<void> | undefined
  return {
    async *logs(target, logOptions) {
      const runner = await pods.runnerOf(target)
      const { path, ended } = runner.log(logOptions.previous)
      yield* readLog(path, logOptions, ended)
    },
    async exec(target, command, execOptions) {
      const container = (await pods.runnerOf(target)).target()
      if (container === undefined) throw new Error(`container ${target.container} of pod ${target.pod} is not running`)
      return execInContainer(container, command, execOptions, context.tools)
    },
    stop() {
      stopping ??= running.disposeAsync()
      return stopping
    },
  }
}

/** Starts what all pods share. */
async function startContext(
  options: NodeAgentOptions,
  programs: HostPrograms,
  directories: NodeDirectories,
  started: AsyncDisposableStack,
): Promise<PodContext> {
  const {
    kube,
    nodeName,
    network,
    nodeIP = network === undefined ? '127.0.0.1' : networkAddresses.node,
    stateDir,
    kubeletRoot,
    syncFrequencyMs,
    clock = systemClock,
    log,
  } = options
  const logsDirectory = join(stateDir, 'logs')
  mkdirSync(logsDirectory, { recursive: true, mode: 0o750 })
  const hostPaths = createHostPaths({ stateDir, kubeletRoot })
  const limits = readIdentityLimits()
  const toolbox = await createToolbox(directories.toolbox, programs)
  const node = await startNodeObject({ kube, nodeName, nodeIP, clock, log })
  started.defer(() => node.stop())
  await saveCsiNode(kube, nodeName, [])
  const plugins = startPluginManager({ directory: directories.pluginsRegistry, hostPaths, kube, nodeName, clock, log })
  started.defer(() => plugins.stop())
  const tokens = createPodTokens(kube, clock)
  const csi = createCsiVolumes({ kube, plugins, tokens, hostPaths, directoryOf: directories.csiVolume })
  return {
    kube,
    clock,
    log,
    nodeIP,
    network,
    apiServer: network === undefined ? apiServerOf(kube) : { host: networkAddresses.apiServer, port: '443' },
    logsDirectory,
    syncFrequencyMs,
    plugins,
    tokens,
    limits,
    volumes: createVolumes({ directories, hostPaths, csi, limits, files: { kube, tokens } }),
    tools: {
      programs,
      toolbox,
      sandbox: directories.sandbox,
      machine: readMounts(),
      initialUserNamespace: limits.initialNamespace,
    },
    images: createImages({
      directory: directories.images,
      given: options.images,
      overlay: options.imageOverlay,
      programs,
    }),
    recorder: createEventRecorder({ client: kube, log, component: 'kubelet', host: nodeName, clock }),
    scriptFile: directories.script,
  }
}

function apiServerOf({ server }: KubeClient): { host: string; port: string } {
  const { hostname, port } = new URL(server)
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port || '443' }
}

interface Pods extends Running {
  /** The container that a request names. Throws when the node does not have it. */
  runnerOf(target: ContainerTarget): Promise<ContainerRunner>
}

/** Runs the pods that the API server binds to the node. */
function followPods(context: PodContext, nodeName: string, directories: NodeDirectories): Pods {
  const { kube, clock, log, volumes } = context
  const workers = new Map<string, PodWorker>()
  const stopped = new AbortController()
  let orphans: Promise<void>[] | undefined

  const admit = (pod: Pod) => {
    const { uid = '' } = pod.metadata
    const existing = workers.get(uid)
    existing?.update(pod)
    if (existing !== undefined || stopped.signal.aborted) return
    const worker = createPodWorker(pod, context)
    workers.set(uid, worker)
    const forget = () => workers.delete(uid)
    worker.done.then(forget, forget)
  }
  const followed = follow(
    kube,
    resources.pods,
    { fieldSelector: `spec.nodeName=${nodeName}`, clock, log },
    {
      onList(pods) {
        const present = new Set(pods.map(({ metadata }) => metadata.uid ?? ''))
        for (const [uid, worker] of workers) if (!present.has(uid)) worker.remove()
        for (const pod of pods) admit(pod)
        // Pods that were deleted while no node agent ran.
        const gone = directories.podUids().filter((uid) => !present.has(uid))
        orphans ??= gone.map((uid) => releaseVolumes(uid, { volumes, clock, log, signal: stopped.signal }))
      },
      onChange(type, pod) {
        if (type === 'DELETED') workers.get(pod.metadata.uid ?? '')?.remove()
        else admit(pod)
      },
    },
  )
  return {
    async runnerOf({ namespace, pod: name, container }) {
      const { metadata } = await kube.get(resources.pods, { name, namespace })
      const runner = workers.get(metadata.uid ?? '')?.runner(container)
      if (runner === undefined) throw new Error(`container ${container} is not valid for pod ${name}`)
      return runner
    },
    async stop() {
      stopped.abort(new Error('stopped'))
      await followed.stop()
      await detachAll([...workers.values()], orphans ?? [], clock)
    },
  }
}

/** Ends all pods. Pods with volumes of a CSI driver go first, because the driver, which may be a pod too, has to unmount them. */
async function detachAll(
  workers: readonly PodWorker[],
  orphans: readonly Promise<void>[],
  clock: Clock,
): Promise<void> {
  const waitFor = (work: readonly Promise<void>[]) =>
    Promise.race([Promise.allSettled(work), sleep(stopPatienceMs, { clock })])
  const detach = (worker: PodWorker) => worker.detach(stopGraceMs)
  await waitFor([...workers.filter(({ usesCsi }) => usesCsi).map(detach), ...orphans])
  await waitFor(workers.filter(({ usesCsi }) => !usesCsi).map(detach))
}
