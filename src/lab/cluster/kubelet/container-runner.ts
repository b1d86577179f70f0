import { randomUUID } from 'node:crypto'
import type { ContainerState, Pod } from '#kubernetes/client'
import { errorMessage, sleep, timestamp } from '#lib'
import { createBackoff } from '#lib/async'
import { formatDuration } from '#lib/formats'
import type { PodSandbox } from '../network/pod-network.ts'
import { logFile } from './container-logs.ts'
import { planContainer, type RecordEvent } from './container-plan.ts'
import { type ContainerProcess, ContainerStartError, type Exit, startContainer } from './container-process.ts'
import { type ExecTarget, runInContainer } from './exec-session.ts'
import { networkFiles } from './network-files.ts'
import type { PodContext } from './pod-context.ts'
import { type ContainerRecord, isSidecar } from './pod-status.ts'
import { watchHealth } from './probes.ts'

export interface ContainerRunner {
  readonly record: ContainerRecord
  /** Runs the container, again after each exit as its restart policy specifies, until it has ended for good or the pod ends. */
  run(volumePaths: ReadonlyMap<string, string>): Promise<Exit | undefined>
  /** Ends the running process. */
  stop(graceMs: number): Promise<void>
  /** The running container, for commands that run in it. */
  target(): ExecTarget | undefined
  /** The log of this or the previous run, and a promise for the run's end. Throws when there was no previous run. */
  log(previous: boolean): { path: string; ended: Promise<unknown> }
}

export interface RunnerOptions {
  context: PodContext
  /** The current pod, with its address. */
  pod(): Pod
  record: ContainerRecord
  kind: 'init' | 'main'
  logsDirectory: string
  /** Aborts when the pod ends. */
  ending: AbortSignal
  graceMs(): number
  sandbox: PodSandbox | undefined
  /** Called after each change of the record. */
  onChange(): void
  event: RecordEvent
}

interface Running {
  process: ContainerProcess
  target: ExecTarget
}

/** Exit code that container runtimes report for a container that could not be started. */
const startErrorCode = 128

/** kubelet's delays between restarts: none, then 10 s doubling to 5 min; they start again after 10 min of running. */
const firstRestartDelayMs = 10_000
const maxRestartDelayMs = 300_000
const goodRunMs = 600_000

interface State extends RunnerOptions {
  running: Running | undefined
  /** The next delay before a restart, in milliseconds. */
  nextDelayMs: () => number
  /** Number of the next run; kubelet counts the first as 0 restarts. */
  runs: number
}

export function createContainerRunner(options: RunnerOptions): ContainerRunner {
  const { record, context } = options
  const state: State = {
    ...options,
    running: undefined,
    nextDelayMs: restartDelays(),
    runs: record.state.terminated === undefined && record.restartCount === 0 ? 0 : record.restartCount + 1,
  }
  return {
    record,
    run: (volumePaths) => run(state, volumePaths),
    async stop(graceMs) {
      await state.running?.process.stop(graceMs, context.clock)
    },
    target: () => state.running?.target,
    log: (previous) => logOf(state, previous),
  }
}

async function run(state: State, volumePaths: ReadonlyMap<string, string>): Promise<Exit | undefined> {
  const { record, ending, context } = state
  const earlier = record.state.terminated
  if (earlier !== undefined && !restarts(state, earlier.exitCode)) return { code: earlier.exitCode }
  while (!ending.aborted) {
    rememberLastState(state)
    record.restartCount = state.runs++
    const startedAt = context.clock.elapsed()
    const exit = await runOnce(state, volumePaths)
    if (exit === undefined || ending.aborted || !restarts(state, exit.code)) return exit
    if (context.clock.elapsed() - startedAt >= goodRunMs) state.nextDelayMs = restartDelays()
    await waitToRestart(state, state.nextDelayMs())
  }
  return undefined
}

function restarts({ kind, pod, record }: State, exitCode: number): boolean {
  if (kind === 'init' && isSidecar(record.spec)) return true
  const policy = pod().spec.restartPolicy ?? 'Always'
  if (policy === 'Never') return false
  return exitCode !== 0 || (policy === 'Always' && kind === 'main')
}

function rememberLastState({ record }: State): void {
  if (record.state.terminated !== undefined) record.lastState = { terminated: record.state.terminated }
}

async function waitToRestart(state: State, ms: number): Promise<void> {
  if (ms === 0) return
  const { record, event, ending, context } = state
  const { name, namespace, uid } = state.pod().metadata
  const container = record.spec.name
  rememberLastState(state)
  const message = `back-off ${formatDuration(ms)} restarting failed container=${container} pod=${name}_${namespace}(${uid})`
  record.state = { waiting: { reason: 'CrashLoopBackOff', message } }
  state.onChange()
  event('Warning', 'BackOff', `Back-off restarting failed container ${container} in pod ${name}_${namespace}(${uid})`)
  await sleep(ms, { clock: context.clock, signal: ending }).catch(() => undefined)
}

/** From start to exit. Undefined when the pod ended before there was a process. */
async function runOnce(state: State, volumePaths: ReadonlyMap<string, string>): Promise<Exit | undefined> {
  const { clock } = state.context
  let startedAt = timestamp(clock.now())
  try {
    const running = await start(state, volumePaths)
    state.running = running
    if (running === undefined) return undefined
    startedAt = timestamp(clock.now())
    await runPostStart(state, running)
    recordStart(state, startedAt)
    const exit = await exitOf(state, running)
    recordExit(state, { exitCode: exit.code, reason: exit.code === 0 ? 'Completed' : 'Error', startedAt })
    return exit
  } catch (error) {
    if (!(error instanceof ContainerStartError)) throw error
    state.event('Warning', 'Failed', `Error: ${error.message}`)
    recordExit(state, { exitCode: startErrorCode, reason: 'StartError', startedAt, message: error.message })
    return { code: startErrorCode }
  }
}

/** Starts the process; waits for Secrets and ConfigMaps that do not exist yet. Undefined when the pod ends meanwhile. */
async function start(state: State, volumePaths: ReadonlyMap<string, string>): Promise<Running | undefined> {
  const { record, ending, event, context } = state
  const backoff = createBackoff({ initialMs: 1000, maxMs: 10_000, jitter: 0 })
  while (!ending.aborted) {
    try {
      return await startProcess(state, volumePaths)
    } catch (error) {
      if (error instanceof ContainerStartError) throw error
      const message = errorMessage(error)
      record.state = { waiting: { reason: 'CreateContainerConfigError', message } }
      state.onChange()
      event('Warning', 'Failed', `Error: ${message}`)
      await sleep(backoff.next(), { clock: context.clock, signal: ending }).catch(() => undefined)
    }
  }
  return undefined
}

async function startProcess(state: State, volumePaths: ReadonlyMap<string, string>): Promise<Running> {
  const { record, event, context, logsDirectory, sandbox } = state
  const { spec } = record
  const pod = state.pod()
  const { plan, process: wanted } = await planContainer(pod, spec, volumePaths, context, event)
  if (sandbox !== undefined) plan.mounts.unshift(...networkFiles(pod, plan.mounts, context))
  record.imageID = plan.image.id
  event('Normal', 'Created', `Created container: ${spec.name}`)
  const process = await startContainer(plan, wanted, context.tools, {
    logFile: logFile(logsDirectory, spec.name, record.restartCount),
    scriptFile: context.scriptFile(pod.metadata.uid ?? '', spec.name),
    keepStdinOpen: spec.stdin === true,
    enterNetwork: sandbox?.enter() ?? [],
  })
  const { environment, credentials } = wanted
  return {
    process,
    target: {
      pid: process.pid,
      workingDirectory: plan.workingDirectory,
      environment,
      credentials,
      ownNetwork: sandbox !== undefined,
    },
  }
}

/**
 * Runs the container's `postStart` command. The container counts as started when that has succeeded, and ends if it fails.
 * https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/
 */
async function runPostStart(state: State, { process, target }: Running): Promise<void> {
  const { record, event, ending, graceMs, context } = state
  const command = record.spec.lifecycle?.postStart?.exec?.command
  if (command === undefined) return
  const over = new AbortController()
  process.exited.then(() => over.abort(new Error('the container ended'))).catch(() => undefined)
  const signal = AbortSignal.any([ending, over.signal])
  const { code, output } = await runInContainer(target, command, context.tools, signal).catch((error: unknown) => ({
    code: 1,
    output: errorMessage(error),
  }))
  if (code === 0 || ending.aborted) return
  event(
    'Warning',
    'FailedPostStartHook',
    `PostStartHook failed: ${output.trim() || `the command ended with status ${code}`}`,
  )
  await process.stop(graceMs(), context.clock)
}

function recordStart(state: State, startedAt: string): void {
  const { record, event } = state
  const { name, startupProbe, readinessProbe } = record.spec
  record.containerID = `keymount://${randomUUID()}`
  record.state = { running: { startedAt } }
  record.started = startupProbe === undefined
  record.ready = record.started && readinessProbe === undefined
  state.onChange()
  event('Normal', 'Started', `Started container ${name}`)
}

async function exitOf(state: State, { process, target }: Running): Promise<Exit> {
  const { record, ending, graceMs, context } = state
  const over = new AbortController()
  const { signal } = over
  const watching = watch(state, { process, target }, signal).catch((error) => {
    if (!signal.aborted) context.log.error({ err: error, container: record.spec.name }, 'probe failed to run')
  })
  // The pod may have ended while this container was starting.
  const stopped = ending.aborted ? process.stop(graceMs(), context.clock) : undefined
  const exit = await process.exited
  over.abort(new Error('the container ended'))
  await Promise.allSettled([watching, stopped])
  return exit
}

function watch(state: State, { process, target }: Running, signal: AbortSignal): Promise<void> {
  const { record, event, graceMs, context } = state
  const { spec } = record
  const execute = (command: readonly string[], until: AbortSignal) =>
    runInContainer(target, command, context.tools, until)
  const setReady = (ready: boolean) => {
    record.ready = ready
    state.onChange()
  }
  return watchHealth(
    { container: spec, podIP: podIPOf(state), connect: context.network?.connect, run: execute },
    {
      onStarted() {
        record.started = true
        setReady(spec.readinessProbe === undefined)
      },
      onReady: setReady,
      onFailure: (probe, reason) => event('Warning', 'Unhealthy', `${probe} probe failed: ${reason}`),
      onUnhealthy(probe) {
        event('Normal', 'Killing', `Container ${spec.name} failed ${probe} probe, will be restarted`)
        process.stop(graceMs(), context.clock).catch(() => undefined)
      },
    },
    { clock: context.clock, signal },
  )
}

const podIPOf = ({ sandbox, context }: State) => sandbox?.address ?? context.nodeIP

function recordExit(state: State, terminated: NonNullable<ContainerState['terminated']>): void {
  const { record, kind, context } = state
  state.running = undefined
  record.started = false
  record.ready = kind === 'init' && !isSidecar(record.spec) && terminated.exitCode === 0
  record.state = { terminated: { ...terminated, finishedAt: timestamp(context.clock.now()) } }
  state.onChange()
}

function logOf({ record, running, logsDirectory, pod }: State, previous: boolean) {
  const { spec, restartCount } = record
  if (previous && restartCount === 0) {
    throw new Error(`previous terminated container "${spec.name}" in pod "${pod().metadata.name}" not found`)
  }
  const path = logFile(logsDirectory, spec.name, restartCount - (previous ? 1 : 0))
  return { path, ended: previous ? Promise.resolve() : (running?.process.exited ?? Promise.resolve()) }
}

function restartDelays(): () => number {
  const backoff = createBackoff({ initialMs: firstRestartDelayMs, maxMs: maxRestartDelayMs, jitter: 0 })
  let first = true
  return () => {
    if (!first) return backoff.next()
    first = false
    return 0
  }
}
