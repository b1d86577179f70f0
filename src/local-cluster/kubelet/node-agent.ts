import { mkdirSync } from 'node:fs'
import { createEventRecorder, follow, type KubeClient, type Pod, resources } from '../../kube/index.ts'
import { type Clock, createBackoff, errorMessage, type Log, type Running, sleep, systemClock } from '../../lib/index.ts'
import type { ContainerTarget, NodeRuntime } from '../node-runtime.ts'
import { readLog } from './container-logs.ts'
import type { ContainerRunner } from './container-runner.ts'
import { readIdentityLimits } from './credentials.ts'
import { createCsiVolumes } from './csi-volume.ts'
import { execInContainer } from './exec-session.ts'
import { createToolbox, findHostPrograms } from './host-programs.ts'
import { createImages } from './images.ts'
import { readMounts } from './mount-table.ts'
import { mountNodeDirectories } from './node-directories.ts'
import { startNodeObject } from './node-object.ts'
import { saveCsiNode, startPluginManager } from './plugin-manager.ts'
import type { PodContext } from './pod-context.ts'
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
/** How long `stop` waits for pods in all before it unmounts what they hold, in milliseconds. */
const stopPatienceMs = 5000

/**
 * Runs the pods of one node. Throws when the machine lacks a program or a permission that pods need.
 * When it stops, or dies, so do its pods' processes; the next node agent runs the pods again.
 */
export async function startNodeAgent(options: NodeAgentOptions): Promise<NodeRuntime & Running> {
  const { kube, nodeName, nodeIP = '127.0.0.1', logsDirectory, clock = systemClock, log } = options
  const programs = findHostPrograms()
  mkdirSync(logsDirectory, { recursive: true, mode: 0o750 })
  const directories = await mountNodeDirectories(options.kubeletRoot, programs)
  const limits = readIdentityLimits()
  const node = await startNodeObject({ kube, nodeName, nodeIP, clock, log })
  await saveCsiNode(kube, nodeName, [])
  const plugins = startPluginManager({ directory: directories.pluginsRegistry, kube, nodeName, clock, log })
  const tokens = createPodTokens(kube, clock)
  const csi = createCsiVolumes({ kube, nodeName, plugins, tokens, directoryOf: directories.csiVolume })
  const toolbox = await createToolbox(directories.toolbox, programs)
  const context: PodContext = {
    ...{ kube, clock, log, nodeIP, logsDirectory, plugins, tokens, limits, syncFrequencyMs: options.syncFrequencyMs },
    scriptFile: directories.script,
    recorder: createEventRecorder({ client: kube, log, component: 'kubelet', host: nodeName, clock }),
    images: createImages({ directory: directories.images, given: options.images, programs }),
    tools: {
      ...{ programs, toolbox, sandbox: directories.sandbox, machine: readMounts() },
      initialUserNamespace: limits.initialNamespace,
    },
    volumes: createVolumes({ directories, csi, limits, files: { kube, tokens } }),
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
    worker.done.then(
      () => workers.delete(uid),
      () => workers.delete(uid),
    )
  }

  /** Volumes of pods that went away while no node agent ran. */
  async function releaseOrphan(uid: string): Promise<void> {
    const backoff = createBackoff({ initialMs: 500, maxMs: 122_000 })
    const { signal } = stopped
    while (!signal.aborted) {
      try {
        return await context.volumes.tearDown(uid)
      } catch (error) {
        log.warn({ podUid: uid, reason: errorMessage(error) }, 'volumes of a pod that is gone could not be released')
        await sleep(backoff.next(), { clock, signal }).catch(() => undefined)
      }
    }
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
        orphans ??= directories
          .podUids()
          .filter((uid) => !present.has(uid))
          .map(releaseOrphan)
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

  async function stopOnce(): Promise<void> {
    stopped.abort(new Error('stopped'))
    await followed.stop()
    // Pods with volumes of a driver first: the driver, which may be a pod too, has to unmount them.
    const all = [...workers.values()]
    for (const wave of [all.filter(({ usesCsi }) => usesCsi), all.filter(({ usesCsi }) => !usesCsi)]) {
      const patience = sleep(stopPatienceMs, { clock })
      await Promise.race([Promise.allSettled(wave.map((worker) => worker.detach(stopGraceMs))), patience])
    }
    await Promise.all([plugins.stop(), node.stop(), ...(orphans ?? [])])
    await directories.unmount()
  }

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
      stopping ??= stopOnce()
      return stopping
    },
  }
}
