import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { isConflict, isNotFound, type Pod, resources, type Volume } from '../../kube/index.ts'
import { createBackoff, errorMessage, sleep } from '../../lib/index.ts'
import { type ContainerRunner, createContainerRunner } from './container-runner.ts'
import { DriverMissingError } from './csi-volume.ts'
import type { PodContext } from './pod-context.ts'
import { initialRecord, podStatus } from './pod-status.ts'
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

/** kubelet's delays between attempts to mount a volume. */
const mountBackoff = { initialMs: 500, maxMs: 122_000, jitter: 0 }
const defaultGraceSeconds = 30

/** The life of one pod on this node: volumes, init containers, containers, and the way back. */
export function createPodWorker(first: Pod, context: PodContext): PodWorker {
  const { kube, clock, log, volumes, nodeIP } = context
  const { name = '', namespace = '', uid = '' } = first.metadata
  const logsDirectory = join(context.logsDirectory, `${namespace}_${name}_${uid}`)
  const ending = new AbortController()
  const over = new AbortController()
  const statusWriter = createStatusWriter(first, context)
  let pod = withAddress(first, nodeIP)
  let graceMs = defaultGraceSeconds * 1000
  let prepared = false
  let detached = false
  let events: Promise<void> = Promise.resolve()

  function event(type: 'Normal' | 'Warning', reason: string, message: string, container?: string): void {
    const about = { apiVersion: 'v1', kind: 'Pod', name, namespace, uid }
    const fieldPath = container === undefined ? {} : { fieldPath: `spec.containers{${container}}` }
    events = events.then(() => context.recorder.record({ ...about, ...fieldPath }, type, reason, message))
  }

  function runnersOf(kind: 'init' | 'main'): ContainerRunner[] {
    const specs = (kind === 'init' ? pod.spec.initContainers : pod.spec.containers) ?? []
    // Init containers run again: what they prepared may be gone.
    const statuses = kind === 'init' ? undefined : pod.status?.containerStatuses
    const waiting =
      kind === 'main' && (pod.spec.initContainers ?? []).length > 0 ? 'PodInitializing' : 'ContainerCreating'
    return specs.map((spec) => {
      const status = statuses?.find((entry) => entry.name === spec.name)
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

  function report(): void {
    if (detached) return
    const records = { initContainers: inits.map(({ record }) => record), containers: mains.map(({ record }) => record) }
    const status = podStatus(pod, { ...records, prepared, nodeIP, now: clock.now() })
    pod = { ...pod, status }
    statusWriter.write(status)
  }

  async function life(): Promise<void> {
    const upkeep: Promise<void>[] = []
    if (!isOver(first)) {
      report()
      await run(upkeep).catch((error) => {
        if (!ending.signal.aborted) throw error
      })
    }
    over.abort(new Error('the pod is over'))
    await Promise.allSettled(upkeep)
    if (detached) return volumes.tearDown(uid)
    await releaseVolumes()
    await ended(ending.signal)
    if (!detached) await deletePod()
  }

  async function run(upkeep: Promise<void>[]): Promise<void> {
    const paths = new Map(await Promise.all((pod.spec.volumes ?? []).map(setUp)))
    upkeep.push(...(pod.spec.volumes ?? []).map(keepUp))
    prepared = true
    for (const init of inits) {
      const exit = await init.run(paths)
      if (exit === undefined || exit.code !== 0) return
    }
    await Promise.all(mains.map((main) => main.run(paths)))
  }

  /** Makes a volume ready, however long it takes. Rejects when the pod ends. */
  async function setUp(volume: Volume): Promise<[name: string, path: string]> {
    const backoff = createBackoff(mountBackoff)
    const { signal } = ending
    for (;;) {
      signal.throwIfAborted()
      try {
        return [volume.name, await volumes.setUp(pod, volume)]
      } catch (error) {
        mountFailed(volume, error)
        const delay = sleep(backoff.next(), { clock, signal })
        const missing = error instanceof DriverMissingError ? error.driver : undefined
        await (missing === undefined ? delay : Promise.race([delay, context.plugins.nextRegistration(missing, signal)]))
      }
    }
  }

  /** Refreshes a volume until the pod is over. */
  async function keepUp(volume: Volume): Promise<void> {
    const backoff = createBackoff(mountBackoff)
    const signal = AbortSignal.any([over.signal, ending.signal])
    let delay = context.syncFrequencyMs
    for (;;) {
      await sleep(delay, { clock, signal }).catch(() => undefined)
      if (signal.aborted) return
      try {
        await volumes.refresh(pod, volume)
        backoff.reset()
        delay = context.syncFrequencyMs
      } catch (error) {
        mountFailed(volume, error)
        delay = backoff.next()
      }
    }
  }

  function mountFailed(volume: Volume, error: unknown): void {
    event('Warning', 'FailedMount', `MountVolume.SetUp failed for volume "${volume.name}" : ${errorMessage(error)}`)
  }

  async function releaseVolumes(): Promise<void> {
    const backoff = createBackoff(mountBackoff)
    while (!detached) {
      try {
        return await volumes.tearDown(uid)
      } catch (error) {
        log.warn(
          { pod: `${namespace}/${name}`, reason: errorMessage(error) },
          'volumes could not be released, trying again',
        )
        await sleep(backoff.next(), { clock })
      }
    }
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
    if (!ending.signal.aborted) {
      for (const { record } of [...inits, ...mains]) {
        if (record.state.running !== undefined && !detached)
          event('Normal', 'Killing', `Stopping container ${record.spec.name}`, record.spec.name)
      }
      ending.abort(new Error('the pod ends'))
    }
    await Promise.all([...inits, ...mains].map((runner) => runner.stop(grace)))
  }

  const endLogged = (grace: number) => {
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
      if (deletionTimestamp !== undefined && sooner) endLogged(deletionGracePeriodSeconds * 1000)
    },
    remove: () => endLogged(0),
    async detach(grace) {
      detached = true
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

function ended(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
