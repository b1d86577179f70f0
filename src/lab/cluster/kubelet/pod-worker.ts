import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { isConflict, isNotFound, type Pod, resources } from '#kubernetes/client'
import { type ContainerRunner, createContainerRunner } from './container-runner.ts'
import type { PodContext } from './pod-context.ts'
import { initialRecord, podStatus } from './pod-status.ts'
import { createPodVolumes } from './pod-volumes.ts'
import { createStatusWriter } from './status-writer.ts'

export interface PodWorker {
  /** The pod changed in the API. */
  update(pod: Pod): void
  /** The pod is gone from the API: ends it at once. */
  remove(): void
  /** The node agent stops: ends the containers and releases the volumes, but leaves the pod in the API. */
  detach(graceMs: number): Promise<void>
  /** Whether the pod has volumes of a CSI driver, which may itself be a pod of this node. */
  readonly usesCsi: boolean
  runner(container: string): ContainerRunner | undefined
  /** Resolves when nothing of the pod is left on the node. */
  readonly done: Promise<void>
}

const defaultGraceSeconds = 30

/** The life of one pod on this node: volumes, init containers, containers, and the way back. */
export function createPodWorker(first: Pod, context: PodContext): PodWorker {
  const { kube, clock, log, nodeIP } = context
  const { name = '', namespace = '', uid = '' } = first.metadata
  const logsDirectory = join(context.logsDirectory, `${namespace}_${name}_${uid}`)
  /** Aborts when the pod's processes have to end. */
  const ending = new AbortController()
  /** Aborts when they have ended. */
  const over = new AbortController()
  const detached = new AbortController()
  const statusWriter = createStatusWriter(first, context)
  let pod = withAddress(first, nodeIP)
  let graceMs = defaultGraceSeconds * 1000
  let prepared = false
  let events: Promise<void> = Promise.resolve()

  function event(type: 'Normal' | 'Warning', reason: string, message: string, container?: string): void {
    const about = { apiVersion: 'v1', kind: 'Pod', name, namespace, uid }
    const fieldPath = container === undefined ? {} : { fieldPath: `spec.containers{${container}}` }
    events = events.then(() => context.recorder.record({ ...about, ...fieldPath }, type, reason, message))
  }

  function runnersOf(kind: 'init' | 'main'): ContainerRunner[] {
    const { initContainers = [], containers } = pod.spec
    const waiting = kind === 'main' && initContainers.length > 0 ? 'PodInitializing' : 'ContainerCreating'
    return (kind === 'init' ? initContainers : containers).map((spec) => {
      // Init containers run again after a restart of the node: what they prepared may be gone.
      const status =
        kind === 'init' ? undefined : pod.status?.containerStatuses?.find((entry) => entry.name === spec.name)
      return createContainerRunner({
        context,
        kind,
        logsDirectory,
        record: initialRecord(spec, status, waiting, clock.now()),
        ending: ending.signal,
        pod: () => pod,
        graceMs: () => graceMs,
        onChange: report,
        event: (type, reason, message) => event(type, reason, message, spec.name),
      })
    })
  }

  const inits = runnersOf('init')
  const mains = runnersOf('main')
  const volumes = createPodVolumes({
    ...context,
    pod: () => pod,
    ending: ending.signal,
    onFailure: (message) => event('Warning', 'FailedMount', message),
  })

  function report(): void {
    if (detached.signal.aborted) return
    const records = { initContainers: inits.map(({ record }) => record), containers: mains.map(({ record }) => record) }
    const status = podStatus(pod, { ...records, prepared, nodeIP, now: clock.now() })
    pod = { ...pod, status }
    statusWriter.write(status)
  }

  async function life(): Promise<void> {
    if (!isOver(first)) {
      report()
      await runContainers().catch((error) => {
        if (!ending.signal.aborted) throw error
      })
    }
    await volumes.release(detached.signal)
    await aborted(ending.signal)
    if (!detached.signal.aborted) await deletePod()
  }

  async function runContainers(): Promise<void> {
    const paths = await volumes.setUp()
    prepared = true
    const upkeep = volumes.keepUp(AbortSignal.any([over.signal, ending.signal]))
    if (await runInits(paths)) await Promise.all(mains.map((main) => main.run(paths)))
    over.abort(new Error('the pod is over'))
    await upkeep
  }

  async function runInits(paths: ReadonlyMap<string, string>): Promise<boolean> {
    for (const init of inits) {
      const exit = await init.run(paths)
      if (exit?.code !== 0) return false
    }
    return true
  }

  async function deletePod(): Promise<void> {
    report()
    await Promise.all([statusWriter.flush(), events])
    statusWriter.close()
    try {
      await kube.delete(resources.pods, { name, namespace }, { gracePeriodSeconds: 0, uid })
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error
    }
    context.tokens.forget(uid)
    rmSync(logsDirectory, { recursive: true, force: true })
  }

  async function end(grace: number): Promise<void> {
    graceMs = grace
    const runners = [...inits, ...mains]
    const announce = !ending.signal.aborted && !detached.signal.aborted
    for (const { record } of announce ? runners : []) {
      if (record.state.running !== undefined)
        event('Normal', 'Killing', `Stopping container ${record.spec.name}`, record.spec.name)
    }
    ending.abort(new Error('the pod ends'))
    await Promise.all(runners.map((runner) => runner.stop(grace)))
  }

  function endInBackground(grace: number): void {
    end(grace).catch((error) => log.error({ err: error, pod: `${namespace}/${name}` }, 'pod could not be ended'))
  }

  // Not before the first update below, which may end the pod at once.
  const done = Promise.resolve()
    .then(life)
    .catch((error) => log.error({ err: error, pod: `${namespace}/${name}` }, 'pod worker failed'))
  const worker: PodWorker = {
    usesCsi: (first.spec.volumes ?? []).some(({ csi }) => csi !== undefined),
    done,
    update(next) {
      pod = withAddress({ ...next, status: pod.status ?? {} }, nodeIP)
      const { deletionTimestamp, deletionGracePeriodSeconds = defaultGraceSeconds } = next.metadata
      const sooner = !ending.signal.aborted || deletionGracePeriodSeconds * 1000 < graceMs
      if (deletionTimestamp !== undefined && sooner) endInBackground(deletionGracePeriodSeconds * 1000)
    },
    remove: () => endInBackground(0),
    async detach(grace) {
      detached.abort(new Error('the node agent stops'))
      statusWriter.close()
      await end(grace)
      await Promise.all([done, events])
    },
    runner: (container) => [...mains, ...inits].find(({ record }) => record.spec.name === container),
  }
  worker.update(first)
  return worker
}

/** A pod whose containers are not to run again. */
function isOver({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed'
}

function withAddress(pod: Pod, ip: string): Pod {
  return { ...pod, status: { ...pod.status, hostIP: ip, podIP: ip, podIPs: [{ ip }] } }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
