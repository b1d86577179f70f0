import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { isConflict, isNotFound, type Pod, resources } from '#kubernetes/client'
import { errorMessage, sleep } from '#lib'
import { createBackoff } from '#lib/async'
import type { PodSandbox } from '../network/pod-network.ts'
import { type ContainerRunner, createContainerRunner } from './container-runner.ts'
import type { PodContext } from './pod-context.ts'
import { initialRecord, isSidecar, podStatus } from './pod-status.ts'
import { createPodVolumes, type PodVolumes } from './pod-volumes.ts'
import { createStatusWriter, type StatusWriter } from './status-writer.ts'

export interface PodWorker {
  /** Takes over a change of the pod in the API. */
  update(pod: Pod): void
  /** Ends the pod at once, because it no longer exists in the API. */
  remove(): void
  /** Ends the containers and releases the volumes, but leaves the pod in the API: the node agent stops. */
  detach(graceMs: number): Promise<void>
  /** Whether the pod has volumes of a CSI driver, which may itself be a pod of this node. */
  readonly usesCsi: boolean
  runner(container: string): ContainerRunner | undefined
  /** Resolves when nothing of the pod is left on the node. */
  readonly done: Promise<void>
}

const defaultGraceSeconds = 30

interface State {
  first: Pod
  context: PodContext
  logsDirectory: string
  /** Aborts when the pod's processes have to end. */
  ending: AbortController
  /** Aborts when its containers have ended. */
  over: AbortController
  /** Aborts when the node agent stops. */
  detached: AbortController
  statusWriter: StatusWriter
  /** The current pod, with its address. */
  pod: Pod
  graceMs: number
  /** Whether the volumes are mounted. */
  prepared: boolean
  /** Resolves when the events so far are written. */
  events: Promise<void>
  /** Where pods have networks of their own. */
  sandbox: PodSandbox | undefined
  /** Called at the next change of a container. */
  waiting: (() => void)[]
  inits: readonly ContainerRunner[]
  mains: readonly ContainerRunner[]
  volumes: PodVolumes
}

/** Runs one pod on this node: volumes, init containers, containers, and their removal. */
export function createPodWorker(first: Pod, context: PodContext): PodWorker {
  const state = createState(first, context)
  const { log } = context
  // Not before the first update below, which may end the pod at once.
  const done = Promise.resolve()
    .then(() => live(state))
    .catch((error) => log.error({ err: error, pod: nameOf(first) }, 'pod worker failed'))
  const worker: PodWorker = {
    usesCsi: (first.spec.volumes ?? []).some(({ csi }) => csi !== undefined),
    done,
    update: (next) => update(state, next),
    remove: () => endInBackground(state, 0),
    async detach(grace) {
      state.detached.abort(new Error('the node agent stops'))
      state.statusWriter.close()
      await end(state, grace)
      await Promise.all([done, state.events])
    },
    runner: (container) => [...state.mains, ...state.inits].find(({ record }) => record.spec.name === container),
  }
  worker.update(first)
  return worker
}

function createState(first: Pod, context: PodContext): State {
  const { name = '', namespace = '', uid = '' } = first.metadata
  const ending = new AbortController()
  const sandbox = isOver(first) ? undefined : context.network?.sandbox({ hostNetwork: first.spec.hostNetwork === true })
  const pod = withAddresses(first, context, sandbox)
  const state: State = {
    first,
    context,
    logsDirectory: join(context.logsDirectory, `${namespace}_${name}_${uid}`),
    ending,
    over: new AbortController(),
    detached: new AbortController(),
    statusWriter: createStatusWriter(first, context),
    pod,
    graceMs: defaultGraceSeconds * 1000,
    prepared: false,
    events: Promise.resolve(),
    sandbox,
    waiting: [],
    inits: [],
    mains: [],
    volumes: createPodVolumes({
      ...context,
      pod: () => state.pod,
      ending: ending.signal,
      onFailure: (message) => recordEvent(state, 'Warning', 'FailedMount', message),
    }),
  }
  state.inits = runnersOf(state, 'init')
  state.mains = runnersOf(state, 'main')
  return state
}

function runnersOf(state: State, kind: 'init' | 'main'): ContainerRunner[] {
  const { context, logsDirectory, ending, over, sandbox } = state
  const { initContainers = [], containers } = state.pod.spec
  const waiting = kind === 'main' && initContainers.length > 0 ? 'PodInitializing' : 'ContainerCreating'
  return (kind === 'init' ? initContainers : containers).map((spec) => {
    const earlier = state.pod.status?.containerStatuses?.find((entry) => entry.name === spec.name)
    // Init containers run again after a restart of the node: what they prepared may no longer exist.
    const status = kind === 'init' ? undefined : earlier
    return createContainerRunner({
      context,
      kind,
      logsDirectory,
      record: initialRecord(spec, status, waiting, context.clock.now()),
      // A sidecar is not started again when the containers have ended.
      ending: isSidecar(spec) && kind === 'init' ? AbortSignal.any([ending.signal, over.signal]) : ending.signal,
      sandbox,
      pod: () => state.pod,
      graceMs: () => state.graceMs,
      onChange: () => report(state),
      event: (type, reason, message) => recordEvent(state, type, reason, message, spec.name),
    })
  })
}

function recordEvent(
  state: State,
  type: 'Normal' | 'Warning',
  reason: string,
  message: string,
  container?: string,
): void {
  const { name = '', namespace = '', uid = '' } = state.first.metadata
  const about = { apiVersion: 'v1', kind: 'Pod', name, namespace, uid }
  const fieldPath = container === undefined ? {} : { fieldPath: `spec.containers{${container}}` }
  state.events = state.events.then(() =>
    state.context.recorder.record({ ...about, ...fieldPath }, type, reason, message),
  )
}

/** Computes the status and writes it. */
function report(state: State): void {
  const { inits, mains, prepared, detached, context } = state
  for (const changed of state.waiting.splice(0)) changed()
  if (detached.signal.aborted) return
  const records = { initContainers: inits.map(({ record }) => record), containers: mains.map(({ record }) => record) }
  const { nodeIP, clock } = context
  const podIP = state.sandbox?.address ?? nodeIP
  const status = podStatus(state.pod, { ...records, prepared, nodeIP, podIP, now: clock.now() })
  state.pod = { ...state.pod, status }
  state.statusWriter.write(status)
}

async function live(state: State): Promise<void> {
  const { ending, detached, volumes } = state
  if (!isOver(state.first)) {
    report(state)
    await runContainers(state).catch((error) => {
      if (!ending.signal.aborted) throw error
    })
  }
  await volumes.release(detached.signal)
  await state.sandbox?.stop()
  await aborted(ending.signal)
  if (!detached.signal.aborted) await deletePod(state)
}

async function runContainers(state: State): Promise<void> {
  const { volumes, over, ending, mains } = state
  const [paths] = await Promise.all([volumes.setUp(), startSandbox(state)])
  state.prepared = true
  const upkeep = volumes.refresh(AbortSignal.any([over.signal, ending.signal]))
  const sidecars: Promise<unknown>[] = []
  if (await runInits(state, paths, sidecars)) await Promise.all(mains.map((main) => main.run(paths)))
  over.abort(new Error('the pod is over'))
  await Promise.all(state.inits.map((init) => init.stop(state.graceMs)))
  await Promise.all(sidecars)
  await upkeep
}

/** Tries until the pod ends: its status and events show why it does not start. */
async function startSandbox(state: State): Promise<void> {
  const { sandbox, ending, context } = state
  const backoff = createBackoff({ initialMs: 1000, maxMs: 10_000, jitter: 0 })
  while (sandbox !== undefined) {
    try {
      return await sandbox.start(ending.signal)
    } catch (error) {
      ending.signal.throwIfAborted()
      recordEvent(state, 'Warning', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${errorMessage(error)}`)
      await sleep(backoff.next(), { clock: context.clock, signal: ending.signal })
    }
  }
}

/** @param sidecars gets those that were started, which go on when this has resolved */
async function runInits(
  state: State,
  paths: ReadonlyMap<string, string>,
  sidecars: Promise<unknown>[],
): Promise<boolean> {
  for (const init of state.inits) {
    if (isSidecar(init.record.spec)) {
      sidecars.push(init.run(paths))
      await started(state, init)
      continue
    }
    const exit = await init.run(paths)
    if (exit?.code !== 0) return false
  }
  return true
}

async function started(state: State, { record }: ContainerRunner): Promise<void> {
  const { signal } = state.ending
  while (!record.started && !signal.aborted) {
    const changed = new Promise<void>((resolve) => state.waiting.push(resolve))
    await Promise.race([changed, aborted(signal)])
  }
  signal.throwIfAborted()
}

async function deletePod(state: State): Promise<void> {
  const { first, context, statusWriter, logsDirectory } = state
  const { name = '', namespace = '', uid = '' } = first.metadata
  report(state)
  await Promise.all([statusWriter.flush(), state.events])
  statusWriter.close()
  try {
    await context.kube.delete(resources.pods, { name, namespace }, { gracePeriodSeconds: 0, uid })
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error
  }
  context.tokens.forget(uid)
  rmSync(logsDirectory, { recursive: true, force: true })
}

function update(state: State, next: Pod): void {
  const { ending, context } = state
  state.pod = withAddresses({ ...next, status: state.pod.status ?? {} }, context, state.sandbox)
  const { deletionTimestamp, deletionGracePeriodSeconds = defaultGraceSeconds } = next.metadata
  const sooner = !ending.signal.aborted || deletionGracePeriodSeconds * 1000 < state.graceMs
  if (deletionTimestamp !== undefined && sooner) endInBackground(state, deletionGracePeriodSeconds * 1000)
}

function endInBackground(state: State, graceMs: number): void {
  end(state, graceMs).catch((error) =>
    state.context.log.error({ err: error, pod: nameOf(state.first) }, 'pod could not be ended'),
  )
}

async function end(state: State, graceMs: number): Promise<void> {
  const { ending, detached, inits, mains } = state
  state.graceMs = graceMs
  const runners = [...inits, ...mains]
  const announce = !ending.signal.aborted && !detached.signal.aborted
  for (const { record } of announce ? runners : []) {
    const { name } = record.spec
    if (record.state.running !== undefined) recordEvent(state, 'Normal', 'Killing', `Stopping container ${name}`, name)
  }
  ending.abort(new Error('the pod ends'))
  // Sidecars last: containers may need them to end.
  await Promise.all(mains.map((runner) => runner.stop(graceMs)))
  await Promise.all(inits.map((runner) => runner.stop(graceMs)))
}

const nameOf = ({ metadata }: Pod) => `${metadata.namespace}/${metadata.name}`

/** Whether a pod has ended for good. */
function isOver({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed'
}

function withAddresses(pod: Pod, { nodeIP }: PodContext, sandbox: PodSandbox | undefined): Pod {
  const ip = sandbox?.address ?? nodeIP
  return { ...pod, status: { ...pod.status, hostIP: nodeIP, podIP: ip, podIPs: [{ ip }] } }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
