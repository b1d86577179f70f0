import { mkdirSync } from 'node:fs'
import { createEventRecorder, follow, type KubeClient, type Pod, resources } from '#kubernetes/client'
import { type Clock, type Log, type Running, sleep, systemClock } from '#lib'
import { readMounts } from '#lib/files'
import type { ContainerTarget, NodeRuntime } from '../node-runtime.ts'
import { readLog } from './container-logs.ts'
import type { ContainerRunner } from './container-runner.ts'
import { readIdentityLimits } from './credentials.ts'
import { createCsiVolumes } from './csi-volume.ts'
import { execInContainer } from './exec-session.ts'
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
  /** Client with the credentials of the node. Pods are told its server. */
  kube: KubeClient
  nodeName: string
  /** Address of the node and of every pod: they share the machine's network. Default 127.0.0.1. */
  nodeIP?: string
  /** kubelet's root directory: plugin sockets and CSI volumes are below it at kubelet's places. */
  kubeletRoot: string
  logsDirectory: string
  /** Image name → directory with its root file system. */
  images: ReadonlyMap<string, string>
  /** How often volumes are refreshed and published again, in milliseconds. kubelet: 60,000. */
  syncFrequencyMs: number
  clock?: Clock
  log: Log
}

/** How long containers may take to end when the node agent stops, in milliseconds. */
const stopGraceMs = 1000
/** How long `stop` waits for pods, twice, before it unmounts what they hold; in milliseconds. */
const stopPatienceMs = 5000

/**
 * Runs the pods of one node. Throws when the machine lacks a program or a permission that pods need.
 * When it stops, or dies, so do its pods' processes; the next node agent runs the pods again.
 */
export async function startNodeAgent(options: NodeAgentOptions): Promise<NodeRuntime & Running> {
  const programs = findHostPrograms()
  mkdirSync(options.logsDirectory, { recursive: true, mode: 0o750 })
  const directories = await mountNodeDirectories(options.kubeletRoot, programs)
  try {
    return await runNode(options, programs, directories)
  } catch (error) {
    await directories.unmount()
    throw error
  }
}

async function runNode(
  options: NodeAgentOptions,
  programs: HostPrograms,
  directories: NodeDirectories,
): Promise<NodeRuntime & Running> {
  const { kube, nodeName, nodeIP = '127.0.0.1', logsDirectory, syncFrequencyMs, clock = systemClock, log } = options
  const limits = readIdentityLimits()
  const [toolbox, node] = await Promise.all([
    createToolbox(directories.toolbox, programs),
    startNodeObject({ kube, nodeName, nodeIP, clock, log }),
  ])
  await saveCsiNode(kube, nodeName, [])
  const plugins = startPluginManager({ directory: directories.pluginsRegistry, kube, nodeName, clock, log })
  const tokens = createPodTokens(kube, clock)
  const csi = createCsiVolumes({ kube, plugins, tokens, directoryOf: directories.csiVolume })
  const volumes = createVolumes({ directories, csi, limits, files: { kube, tokens } })
  const { sandbox } = directories
  const context: PodContext = {
    ...{ kube, clock, log, nodeIP, logsDirectory, syncFrequencyMs, plugins, tokens, limits, volumes },
    tools: { programs, toolbox, sandbox, machine: readMounts(), initialUserNamespace: limits.initialNamespace },
    images: createImages({ directory: directories.images, given: options.images, programs }),
    recorder: createEventRecorder({ client: kube, log, component: 'kubelet', host: nodeName, clock }),
    scriptFile: directories.script,
  }

  const workers = new Map<string, PodWorker>()
  const stopped = new AbortController()
  let orphans: Promise<void>[] | undefined
  let stopping: Promise<void> | undefined

  function admit(pod: Pod): void {
    const { uid = '' } = pod.metadata
    const known = workers.get(uid)
    known?.update(pod)
    if (known !== undefined || stopped.signal.aborted) return
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
        // Pods that went away while no node agent ran.
        const gone = directories.podUids().filter((uid) => !present.has(uid))
        orphans ??= gone.map((uid) => releaseVolumes(uid, { volumes, clock, log, signal: stopped.signal }))
      },
      onChange(type, pod) {
        if (type === 'DELETED') workers.get(pod.metadata.uid ?? '')?.remove()
        else admit(pod)
      },
    },
  )

  async function podOf({ namespace, pod: name, container }: ContainerTarget): Promise<ContainerRunner> {
    const { metadata } = await kube.get(resources.pods, { name, namespace })
    const runner = workers.get(metadata.uid ?? '')?.runner(container)
    if (runner === undefined) throw new Error(`container ${container} is not valid for pod ${name}`)
    return runner
  }

  async function stop(): Promise<void> {
    stopped.abort(new Error('stopped'))
    await followed.stop()
    const all = [...workers.values()]
    const detach = (worker: PodWorker) => worker.detach(stopGraceMs)
    // Pods with volumes of a driver first: the driver, which may be a pod too, has to unmount them.
    await patiently([...all.filter(({ usesCsi }) => usesCsi).map(detach), ...(orphans ?? [])])
    await patiently(all.filter(({ usesCsi }) => !usesCsi).map(detach))
    await Promise.all([plugins.stop(), node.stop()])
    await directories.unmount()
  }

  const patiently = (work: Promise<void>[]) =>
    Promise.race([Promise.allSettled(work), sleep(stopPatienceMs, { clock })])

  return {
    async *logs(target, logOptions) {
      const runner = await podOf(target)
      const { path, ended } = runner.log(logOptions.previous)
      yield* readLog(path, logOptions, ended)
    },
    async exec(target, command, execOptions) {
      const running = (await podOf(target)).target()
      if (running === undefined) throw new Error(`container ${target.container} of pod ${target.pod} is not running`)
      return execInContainer(running, command, execOptions, context.tools)
    },
    stop() {
      stopping ??= stop()
      return stopping
    },
  }
}
