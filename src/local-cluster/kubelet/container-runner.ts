import { randomUUID } from 'node:crypto'
import type { Container, Pod } from '../../kube/index.ts'
import { createBackoff, errorMessage, formatDuration, sleep } from '../../lib/index.ts'
import { containerEnvironment, expandVariables } from './container-environment.ts'
import { logFile } from './container-logs.ts'
import { type ContainerProcess, ContainerStartError, type Exit, startContainer } from './container-process.ts'
import { credentialsOf } from './credentials.ts'
import { type ExecTarget, execInContainer } from './exec-session.ts'
import type { Image } from './images.ts'
import type { PodContext } from './pod-context.ts'
import { type ContainerRecord, timestamp } from './pod-status.ts'
import { type ProbeTarget, runProbe } from './probes.ts'
import { containerMounts } from './volumes.ts'

export interface ContainerRunner {
  readonly record: ContainerRecord
  /** Runs the container, again after each end as the restart policy asks, until it is over or the pod ends. */
  run(volumePaths: ReadonlyMap<string, string>): Promise<Exit | undefined>
  /** Ends the running process. */
  stop(graceMs: number): Promise<void>
  /** Where a command can be run, while the container runs. */
  target(): ExecTarget | undefined
  /** The log of this or the previous run, and a promise for this run's end. */
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
  event(type: 'Normal' | 'Warning', reason: string, message: string): void
}

/** kubelet's delays between restarts: at once, then 10 s doubling to 5 min, forgotten after 10 min of running. */
const firstRestartDelayMs = 10_000
const maxRestartDelayMs = 300_000
const goodRunMs = 600_000

export function createContainerRunner(options: RunnerOptions): ContainerRunner {
  const { context, record, kind, ending, onChange, event } = options
  const { clock, kube, images, tools, limits } = context
  const { spec } = record
  let running: { process: ContainerProcess; target: ExecTarget } | undefined
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

  async function runOnce(volumePaths: ReadonlyMap<string, string>): Promise<Exit | undefined> {
    let startedAt = timestamp(clock.now())
    let exit: Exit
    let failure: string | undefined
    try {
      running = await start(volumePaths)
      if (running === undefined) return undefined
      startedAt = timestamp(clock.now())
      record.containerID = `keymount://${randomUUID()}`
      record.state = { running: { startedAt } }
      record.started = spec.startupProbe === undefined
      record.ready = record.started && spec.readinessProbe === undefined
      onChange()
      event('Normal', 'Started', `Started container ${spec.name}`)
      exit = await whileRunning(running.process)
    } catch (error) {
      if (!(error instanceof ContainerStartError)) throw error
      failure = error.message
      exit = { code: 128 }
      event('Warning', 'Failed', `Error: ${error.message}`)
    }
    running = undefined
    record.started = false
    record.ready = kind === 'init' && exit.code === 0
    const reason = failure !== undefined ? 'StartError' : exit.code === 0 ? 'Completed' : 'Error'
    const finishedAt = timestamp(clock.now())
    record.state = {
      terminated: {
        exitCode: exit.code,
        reason,
        startedAt,
        finishedAt,
        ...(failure === undefined ? {} : { message: failure }),
      },
    }
    onChange()
    return exit
  }

  /** Starts the process; waits for what the container's configuration misses. Undefined when the pod ends meanwhile. */
  async function start(volumePaths: ReadonlyMap<string, string>) {
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

  async function startProcess(volumePaths: ReadonlyMap<string, string>) {
    const pod = options.pod()
    const [image, environment] = await Promise.all([
      images.find(spec.image ?? ''),
      containerEnvironment(pod, spec, kube),
    ])
    event('Normal', 'Pulled', image.description)
    record.imageID = image.id
    const command = commandOf(spec, image, environment)
    if (command.length === 0) {
      command.push('sleep', 'infinity')
      const why = `Container image "${spec.image}" is not on this machine and the container names no command: it idles`
      event('Warning', 'NoCommand', why)
    }
    const credentials = credentialsOf(pod, spec, limits)
    for (const refused of credentials.refused) event('Warning', 'UserNamespace', refused)
    const privileged = spec.securityContext?.privileged === true
    const workingDirectory = spec.workingDir ?? '/'
    const mounts = containerMounts(spec, volumePaths)
    event('Normal', 'Created', `Created container: ${spec.name}`)
    const process = await startContainer(
      {
        image,
        mounts,
        hostname: pod.metadata.name ?? '',
        workingDirectory,
        privileged,
        readOnlyRoot: spec.securityContext?.readOnlyRootFilesystem === true,
      },
      { command, environment, credentials: credentials.arguments },
      tools,
      {
        logFile: logFile(options.logsDirectory, spec.name, record.restartCount),
        scriptFile: context.scriptFile(pod.metadata.uid ?? '', spec.name),
        keepStdinOpen: spec.stdin === true,
      },
    )
    return { process, target: { pid: process.pid, workingDirectory, environment, credentials: credentials.arguments } }
  }

  /** Probes a container until it ends. */
  async function whileRunning(process: ContainerProcess): Promise<Exit> {
    const over = new AbortController()
    const { signal } = over
    const probing = probe(process, signal).catch((error) => {
      if (!signal.aborted) context.log.error({ err: error, container: spec.name }, 'probe failed to run')
    })
    // A pod that ended while this container was starting.
    const stopped = ending.aborted ? process.stop(options.graceMs(), clock) : undefined
    const exit = await process.exited
    over.abort(new Error('the container ended'))
    await Promise.allSettled([probing, stopped])
    return exit
  }

  async function probe(process: ContainerProcess, signal: AbortSignal): Promise<void> {
    const { startupProbe, readinessProbe, livenessProbe } = spec
    const target: ProbeTarget = { container: spec, podIP: context.nodeIP, run: runInside }
    const timing = { clock, signal }
    const onFailure = (kindOfProbe: string) => (reason: string) =>
      event('Warning', 'Unhealthy', `${kindOfProbe} probe failed: ${reason}`)
    const restart = (kindOfProbe: string) => {
      event('Normal', 'Killing', `Container ${spec.name} failed ${kindOfProbe} probe, will be restarted`)
      process.stop(options.graceMs(), clock).catch(() => undefined)
      return 'stop' as const
    }
    if (startupProbe !== undefined) {
      const onVerdict = (healthy: boolean) => (healthy ? 'stop' : restart('startup'))
      await runProbe(startupProbe, target, { onVerdict, onFailure: onFailure('Startup') }, timing)
      record.started = true
      record.ready = readinessProbe === undefined
      onChange()
    }
    const onReady = (healthy: boolean) => {
      record.ready = healthy
      onChange()
      return 'continue' as const
    }
    const onLive = (healthy: boolean) => (healthy ? 'continue' : restart('liveness'))
    await Promise.all([
      readinessProbe &&
        runProbe(readinessProbe, target, { onVerdict: onReady, onFailure: onFailure('Readiness') }, timing),
      livenessProbe && runProbe(livenessProbe, target, { onVerdict: onLive, onFailure: onFailure('Liveness') }, timing),
    ])
  }

  async function runInside(command: readonly string[], signal: AbortSignal): Promise<{ code: number; output: string }> {
    if (running === undefined) throw new Error('the container is not running')
    const session = execInContainer(running.target, command, { tty: false, stdin: false }, tools)
    const onAbort = () => session.kill()
    signal.addEventListener('abort', onAbort, { once: true })
    let output = ''
    for (const stream of [session.stdout, session.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        output = (output + chunk).slice(0, 1024)
      })
    }
    const code = await session.exit.finally(() => signal.removeEventListener('abort', onAbort))
    signal.throwIfAborted()
    return { code, output }
  }

  return {
    record,
    run,
    async stop(graceMs) {
      await running?.process.stop(graceMs, clock)
    },
    target: () => running?.target,
    log: (previous) => ({
      path: logFile(options.logsDirectory, spec.name, record.restartCount - (previous ? 1 : 0)),
      ended: previous ? Promise.resolve() : (running?.process.exited ?? Promise.resolve()),
    }),
  }
}

/** Words of the container's own command, or of its image. */
function commandOf(spec: Container, image: Image, environment: ReadonlyMap<string, string>): string[] {
  const { command = [], args = [] } = spec
  const own = [...command, ...args].map((word) => expandVariables(word, environment))
  return command.length > 0 ? own : [...image.entrypoint, ...own]
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
