import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { type Clock, CodedError, sleep } from '#lib'
import { type ContainerPlan, containerScript, readyLine, type SandboxTools } from './container-script.ts'

export interface Exit {
  /** 128 + n after signal n. */
  code: number
  signal?: NodeJS.Signals
}

/** A running container: process 1 of its own namespaces. */
export interface ContainerProcess {
  /** Of process 1, as the machine counts. */
  pid: number
  exited: Promise<Exit>
  /** Sends SIGTERM, and SIGKILL after `graceMs`. Resolves when the process has exited. */
  stop(graceMs: number, clock: Clock): Promise<Exit>
}

export interface ProcessSpec {
  command: string[]
  environment: ReadonlyMap<string, string>
  /** Arguments of setpriv(1). */
  credentials: string[]
}

export interface StartOptions {
  /** Gets what the container writes. */
  logFile: string
  /** File for the start script, which exists for a moment; its directory is in memory. */
  scriptFile: string
  keepStdinOpen: boolean
  /** Words before a command that run it in the pod's own network. */
  enterNetwork: readonly string[]
}

/** The container could not be created; the message is that of mount or of the shell. */
export class ContainerStartError extends CodedError<'container-start'> {
  constructor(message: string) {
    super('container-start', message)
  }
}

export async function startContainer(
  plan: ContainerPlan,
  spec: ProcessSpec,
  tools: SandboxTools,
  options: StartOptions,
): Promise<ContainerProcess> {
  const { programs } = tools
  const { variables, late } = splitEnvironment(spec.environment)
  const words = commandInside(spec, plan.workingDirectory, late, tools)
  // A file, because every user can read the command line of a process, and `words` may hold a secret variable.
  writeFileSync(options.scriptFile, containerScript(plan, words, tools), { mode: 0o600 })
  const log = openSync(options.logFile, 'a', 0o640)
  const namespaces = ['--mount', '--pid', '--ipc', '--uts', '--propagation=unchanged', '--fork', '--kill-child']
  // The kernel kills the container when the node agent dies, however it dies: setpriv for unshare, unshare for its child.
  const argv = [
    '--pdeathsig=KILL',
    ...options.enterNetwork,
    programs.unshare,
    ...namespaces,
    programs.sh,
    options.scriptFile,
  ]
  const child = spawn(programs.setpriv, argv, {
    cwd: '/',
    env: variables,
    stdio: [options.keepStdinOpen ? 'pipe' : 'ignore', log, 'pipe', log],
  })
  closeSync(log)
  const output = watchSetup(child)
  const exited = exitOf(child).then((exit) => (output.sawKill() ? killed : exit))
  const outcome = await Promise.race([output.ready, exited.then(() => 'exited' as const)])
  rmSync(options.scriptFile, { force: true })
  if (outcome === 'exited') throw new ContainerStartError(output.text())
  const pid = childOf(child.pid)
  return {
    // A command that has already exited has no process to send signals to.
    pid: pid ?? 0,
    exited,
    async stop(graceMs, clock) {
      const over = new AbortController()
      const gone = exited.finally(() => over.abort(new Error('exited')))
      signalProcess(pid, 'SIGTERM')
      const patience = sleep(graceMs, { clock, signal: over.signal }).then(() => signalProcess(pid, 'SIGKILL'))
      await Promise.allSettled([gone, patience])
      return exited
    },
  }
}

const killed: Exit = { code: 137, signal: 'SIGKILL' }

/** Standard error of the start: the script's errors, its ready line, and later the errors of unshare. */
function watchSetup(child: ChildProcess) {
  let text = ''
  const ready = new Promise<'ready'>((resolve) => {
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      if (text.includes(`${readyLine}\n`)) resolve('ready')
    })
  })
  return {
    ready,
    text: () => text.trim() || 'the container could not be created',
    // unshare 2.38 cannot raise SIGKILL on itself as it does other signals of its child; it reports that, and exits with 1.
    sawKill: () => text.includes('sigprocmask unblock failed'),
  }
}

export function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once('error', () => resolve({ code: 127 }))
    child.once('close', (code, signal) => {
      resolve(signal === null ? { code: code ?? 0 } : { code: 128 + constants.signals[signal], signal })
    })
  })
}

/** Process number, on the machine, of the first child of a process. */
export function childOf(pid: number | undefined): number | undefined {
  try {
    const first = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')[0]
    return first === undefined || first === '' ? undefined : Number(first)
  } catch {
    return undefined
  }
}

export function signalProcess(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined || pid <= 1) return
  try {
    process.kill(pid, signal)
  } catch {
    // It has exited.
  }
}

/**
 * The words that run a command with its user, working directory and variables, for a process whose working directory is
 * the toolbox and whose root is the container's. `late` variables are set at the last moment.
 */
export function commandInside(
  { command, credentials }: ProcessSpec,
  workingDirectory: string,
  late: ReadonlyMap<string, string>,
  { toolbox }: Pick<SandboxTools, 'toolbox'>,
): string[] {
  const unset = ['PWD', 'OLDPWD', 'SHELL'].flatMap((name) => ['-u', name])
  const set = [...late].map(([name, value]) => `${name}=${value}`)
  const env = [...toolbox.command('env'), ...unset, '-C', workingDirectory, ...set]
  return [...toolbox.command('setpriv'), ...credentials, ...env, ...command]
}

/** Separates variables that the programs which start a command pass on from those that these programs would act on or lose. */
export function splitEnvironment(environment: ReadonlyMap<string, string>): {
  variables: Record<string, string>
  late: Map<string, string>
} {
  const actedOn = /^(LD_|GLIBC_|MALLOC_|(PWD|OLDPWD|SHELL|IFS|ENV|BASH_ENV|LOCPATH|PS\d)$)/
  // A shell does not pass on what it cannot name.
  const travels = ([name]: [string, string]) => /^[A-Za-z_]\w*$/.test(name) && !actedOn.test(name)
  const all = [...environment]
  return {
    variables: Object.fromEntries(all.filter(travels)),
    late: new Map(all.filter((entry) => !travels(entry))),
  }
}
