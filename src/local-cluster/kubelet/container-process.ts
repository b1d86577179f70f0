import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { type Clock, sleep } from '../../lib/index.ts'
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
  /** SIGTERM, then SIGKILL after `graceMs`. Resolves when it is gone. */
  stop(graceMs: number, clock: Clock): Promise<Exit>
}

export interface ProcessSpec {
  command: string[]
  environment: ReadonlyMap<string, string>
  /** Arguments of setpriv(1). */
  credentials: string[]
}

/** The container could not be made; the message is mount's or the shell's. */
export class ContainerStartError extends Error {
  override readonly name = 'ContainerStartError'
}

export async function startContainer(
  plan: ContainerPlan,
  process: ProcessSpec,
  tools: SandboxTools,
  options: { logFile: string; keepStdinOpen: boolean },
): Promise<ContainerProcess> {
  const { programs } = tools
  const { variables, words } = commandInside(process, plan.workingDirectory, tools)
  const log = openSync(options.logFile, 'a', 0o640)
  const namespaces = ['--mount', '--pid', '--ipc', '--uts', '--propagation=unchanged', '--fork', '--kill-child']
  // The kernel kills the container when the node agent dies, however it dies: setpriv for unshare, unshare for its child.
  const argv = ['--pdeathsig=KILL', programs.unshare, ...namespaces]
  const child = spawn(programs.setpriv, [...argv, programs.sh, '-c', containerScript(plan, tools), 'sh', ...words], {
    cwd: '/',
    env: variables,
    stdio: [options.keepStdinOpen ? 'pipe' : 'ignore', log, 'pipe', log],
  })
  closeSync(log)
  const output = watchSetup(child)
  const exited = exitOf(child).then((exit) => (output.sawKill() ? killed : exit))
  const outcome = await Promise.race([output.ready, exited.then(() => 'exited' as const)])
  const pid = outcome === 'ready' ? childOf(child.pid) : undefined
  if (pid === undefined && outcome !== 'ready') throw new ContainerStartError(output.text())
  return {
    // A command that is over already has no process: nothing can be sent to it any more.
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

/** Standard error of the start: the script's errors, its ready line, and later what unshare says. */
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
    text: () => text.trim() || 'the container could not be made',
    // unshare 2.38 cannot raise SIGKILL on itself as it does other signals of its child, says so, and exits with 1.
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

/** The only child of a process, by its number on the machine. */
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
    // It is gone already.
  }
}

/**
 * The words that run a command with its user, working directory and variables, for a process whose working directory is
 * the toolbox and whose root is the container's. Most variables travel as the process's own; those that a shell or the
 * dynamic loader would act on, or drop, are set by env(1) at the last moment.
 */
export function commandInside(
  { command, environment, credentials }: ProcessSpec,
  workingDirectory: string,
  { toolbox }: Pick<SandboxTools, 'toolbox'>,
): { variables: Record<string, string>; words: string[] } {
  const late = [...environment].filter(([name]) => !travels(name))
  const variables = Object.fromEntries([...environment].filter(([name]) => travels(name)))
  const unset = ['PWD', 'OLDPWD', 'SHELL'].flatMap((name) => ['-u', name])
  const words = [
    ...toolbox.command('setpriv'),
    ...credentials,
    ...toolbox.command('env'),
    ...unset,
    '-C',
    workingDirectory,
    ...late.map(([name, value]) => `${name}=${value}`),
    ...command,
  ]
  return { variables, words }
}

function travels(name: string): boolean {
  if (/^(LD_|GLIBC_|MALLOC_|LOCPATH$|PWD$|OLDPWD$|IFS$|ENV$|BASH_ENV$|SHELL$|PS\d$)/.test(name)) return false
  return /^[A-Za-z_]\w*$/.test(name)
}
