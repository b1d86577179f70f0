import { randomUUID } from 'node:crypto'
import type { ContainerState, Pod } from '#kubernetes/client'
import { errorMessage, sleep, timestamp } from '#lib'
import { createBackoff } from '#lib/async'
import { formatDuration } from '#lib/formats'
import { logFile } from './container-logs.ts'
import { planContainer, type RecordEvent } from './container-plan.ts'
import { type ContainerProcess, ContainerStartError, type Exit, startContainer } from './container-process.ts'
import { type ExecTarget, runInContainer } from './exec-session.ts'
import type { PodContext } from './pod-context.ts'
import type { ContainerRecord } from './pod-status.ts'
import { watchHealth } from './probes.ts'

export interface ContainerRunner {
  readonly record: ContainerRecord
  /** Runs the container, again after each end as the restart policy asks, until it is over or the pod ends. */
  run(volumePaths: ReadonlyMap<string, string>): Promise<Exit | undefined>
  /** Ends the running process. */
  stop(graceMs: number): Promise<void>
  /** Where a command can be run, while the container runs. */
  target(): ExecTarget | undefined
  /** The log of this or the previous run, and a promise for the run's end. Throws when there was no previous run. */
  log(previous: boolean): { path: string; ended: Promise<unknown> }
}

export interface RunnerOptions {
  context: PodContext
  /** The pod as it is now, with its address. */
  pod(): Pod
  record: ContainerRecord
  kind: 'init' | 'main'
  logsDirectory: string
  /** Aborts when the pod ends. */
  ending: AbortSignal
  graceMs(): number
  /** The record changed. */
  onChange(): void
  event: RecordEvent
}

interface Running {
  process: ContainerProcess
  target: ExecTarget
}

/** What runtimes give to a container that could not be started. */
const startErrorCode = 128

/** kubelet's delays between restarts: at once, then 10 s doubling to 5 min, forgotten after 10 min of running. */
const firstRestartDelayMs = 10_000
const maxRestartDelayMs = 300_000
const goodRunMs = 600_000

export function createContainerRunner(options: RunnerOptions): ContainerRunner {
  const { context, record, kind, ending, onChange, event } = options
  const { clock, tools } = context
  const { spec } = record
  let running: Running | undefined
  let delays = restartDelays()
  let runs = record.state.terminated === undefined && record.restartCount === 0 ? 0 : record.restartCount + 1

  async function run(volumePaths: ReadonlyMap<string, string>): Promise<Exit | undefined> {
    const earlier = record.state.terminated
    if (earlier !== undefined && !restarts({ code: earlier.exitCode })) return { code: earlier.exitCode }
    while (!ending.aborted) {
      beginRun()
      const startedAt = clock.now()
      const exit = await runOnce(volumePaths)
      if (exit === undefined || ending.aborted || !restarts(exit)) return exit
      if (clock.now() - startedAt >= goodRunMs) delays = restartDelays()
      await waitToRestart(delays())
    }
    return undefined
  }

  /** What ended before becomes the last state. */
  function beginRun(): void {
    if (record.state.terminated !== undefined) record.lastState = { terminated: record.state.terminated }
    record.restartCount = runs
    runs++
  }

  function restarts({ code }: Exit): boolean {
    const policy = options.pod().spec.restartPolicy ?? 'Always'
    if (policy === 'Never') return false
    return code !== 0 || (policy === 'Always' && kind === 'main')
  }

  async function waitToRestart(ms: number): Promise<void> {
    if (ms === 0) return
    const { name, namespace, uid } = options.pod().metadata
    const label = `failed container=${spec.name} pod=${name}_${namespace}(${uid})`
    if (record.state.terminated !== undefined) record.lastState = { terminated: record.state.terminated }
    const message = `back-off ${formatDuration(ms)} restarting ${label}`
    record.state = { waiting: { reason: 'CrashLoopBackOff', message } }
    onChange()
    event('Warning', 'BackOff', `Back-off restarting failed container ${spec.name} in pod ${name}_${namespace}(${uid})`)
    await sleep(ms, { clock, signal: ending }).catch(() => undefined)
  }

  /** From start to end. Undefined when the pod ended before there was a process. */
  async function runOnce(volumePaths: ReadonlyMap<string, string>): Promise<Exit | undefined> {
    let startedAt = timestamp(clock.now())
    try {
      running = await start(volumePaths)
      if (running === undefined) return undefined
      startedAt = timestamp(clock.now())
      noteStarted(startedAt)
      const exit = await whileRunning(running)
      noteEnded({ exitCode: exit.code, reason: exit.code === 0 ? 'Completed' : 'Error', startedAt })
      return exit
    } catch (error) {
      if (!(error instanceof ContainerStartError)) throw error
      event('Warning', 'Failed', `Error: ${error.message}`)
      noteEnded({ exitCode: startErrorCode, reason: 'StartError', startedAt, message: error.message })
      return { code: startErrorCode }
    }
  }

  function noteStarted(startedAt: string): void {
    record.containerID = `keymount://${randomUUID()}`
    record.state = { running: { startedAt } }
    record.started = spec.startupProbe === undefined
    record.ready = record.started && spec.readinessProbe === undefined
    onChange()
    event('Normal', 'Started', `Started container ${spec.name}`)
  }

  function noteEnded(terminated: NonNullable<ContainerState['terminated']>): void {
    running = undefined
    record.started = false
    record.ready = kind === 'init' && terminated.exitCode === 0
    record.state = { terminated: { ...terminated, finishedAt: timestamp(clock.now()) } }
    onChange()
  }

  /** Starts the process; waits for what the container's configuration misses. Undefined when the pod ends meanwhile. */
  async function start(volumePaths: ReadonlyMap<string, string>): Promise<Running | undefined> {
    const backoff = createBackoff({ initialMs: 1000, maxMs: 10_000, jitter: 0 })
    while (!ending.aborted) {
      try {
        return await startProcess(volumePaths)
      } catch (error) {
        if (error instanceof ContainerStartError) throw error
        const message = errorMessage(error)
        record.state = { waiting: { reason: 'CreateContainerConfigError', message } }
        onChange()
        event('Warning', 'Failed', `Error: ${message}`)
        await sleep(backoff.next(), { clock, signal: ending }).catch(() => undefined)
      }
    }
    return undefined
  }

  async function startProcess(volumePaths: ReadonlyMap<string, string>): Promise<Running> {
    const pod = options.pod()
    const { plan, process: wanted } = await planContainer(pod, spec, volumePaths, context, event)
    record.imageID = plan.image.id
    event('Normal', 'Created', `Created container: ${spec.name}`)
    const process = await startContainer(plan, wanted, tools, {
      logFile: logFile(options.logsDirectory, spec.name, record.restartCount),
      scriptFile: context.scriptFile(pod.metadata.uid ?? '', spec.name),
      keepStdinOpen: spec.stdin === true,
    })
    const { environment, credentials } = wanted
    return {
      process,
      target: { pid: process.pid, workingDirectory: plan.workingDirectory, environment, credentials },
    }
  }

  async function whileRunning({ process, target }: Running): Promise<Exit> {
    const over = new AbortController()
    const { signal } = over
    const watching = watch(process, target, signal).catch((error) => {
      if (!signal.aborted) context.log.error({ err: error, container: spec.name }, 'probe failed to run')
    })
    // The pod may have ended while this container was starting.
    const stopped = ending.aborted ? process.stop(options.graceMs(), clock) : undefined
    const exit = await process.exited
    over.abort(new Error('the container ended'))
    await Promise.allSettled([watching, stopped])
    return exit
  }

  function watch(process: ContainerProcess, target: ExecTarget, signal: AbortSignal): Promise<void> {
    const run = (command: readonly string[], until: AbortSignal) => runInContainer(target, command, tools, until)
    const setReady = (ready: boolean) => {
      record.ready = ready
      onChange()
    }
    return watchHealth(
      { container: spec, podIP: context.nodeIP, run },
      {
        onStarted() {
          record.started = true
          setReady(spec.readinessProbe === undefined)
        },
        onReady: setReady,
        onFailure: (probe, reason) => event('Warning', 'Unhealthy', `${probe} probe failed: ${reason}`),
        onUnhealthy(probe) {
          event('Normal', 'Killing', `Container ${spec.name} failed ${probe} probe, will be restarted`)
          process.stop(options.graceMs(), clock).catch(() => undefined)
        },
      },
      { clock, signal },
    )
  }

  return {
    record,
    run,
    async stop(graceMs) {
      await running?.process.stop(graceMs, clock)
    },
    target: () => running?.target,
    log(previous) {
      const { restartCount } = record
      if (previous && restartCount === 0) {
        const { name } = options.pod().metadata
        throw new Error(`previous terminated container "${spec.name}" in pod "${name}" not found`)
      }
      const path = logFile(options.logsDirectory, spec.name, restartCount - (previous ? 1 : 0))
      return { path, ended: previous ? Promise.resolve() : (running?.process.exited ?? Promise.resolve()) }
    },
  }
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
