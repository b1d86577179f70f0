import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { PassThrough, Readable } from 'node:stream'
import type { ExecOptions, ExecSession } from '../node-runtime.ts'
import {
  childOf,
  commandInside,
  exitOf,
  type ProcessSpec,
  signalProcess,
  splitEnvironment,
} from './container-process.ts'
import { quote, type SandboxTools } from './container-script.ts'

/** A container that a command can be run in. */
export interface ExecTarget {
  pid: number
  workingDirectory: string
  environment: ReadonlyMap<string, string>
  credentials: string[]
  /** Whether it has a network apart from that of the machine. */
  ownNetwork: boolean
}

/**
 * Runs a command in a container's namespaces with the container's user, variables and working directory. A terminal is a
 * real one: script(1) creates it outside the container, and stty(1) sets its size.
 */
export function execInContainer(
  target: ExecTarget,
  command: readonly string[],
  { tty, stdin }: ExecOptions,
  { programs, toolbox }: Pick<SandboxTools, 'programs' | 'toolbox'>,
): ExecSession {
  const environment = new Map(target.environment)
  if (tty && !environment.has('TERM')) environment.set('TERM', 'xterm')
  const { variables, late } = splitEnvironment(environment)
  // Odd names travel like the others where no shell is on the way, and never on a command line that every process can read.
  const odd = [...late].filter(([name]) => !/^\w+$/.test(name))
  for (const [name] of odd) late.delete(name)
  const spec: ProcessSpec = { command: [...command], environment, credentials: target.credentials }
  const words = commandInside(spec, target.workingDirectory, late, { toolbox })
  const namespaces = ['--mount', '--pid', '--ipc', '--uts', ...(target.ownNetwork ? ['--net'] : [])]
  // nsenter opens its working directory before it enters, so that the toolbox is at hand inside.
  const enter = [programs.nsenter, `--target=${target.pid}`, ...namespaces, `--wd=${toolbox.directory}`, '--', ...words]
  const inTerminal = ['-q', '-e', '-f', '-E', 'always', '-c', `exec ${enter.map(quote).join(' ')}`, '/dev/null']
  const [program = '', ...argv] = tty ? [programs.script, ...inTerminal] : enter
  const child = spawn(program, argv, {
    cwd: '/',
    env: { ...variables, ...Object.fromEntries(odd), ...(tty ? { SHELL: programs.sh } : {}) },
    stdio: [stdin || tty ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  })
  // A command that does not read to the end is not an error here.
  child.stdin?.on('error', () => undefined)
  const failed = new Promise<never>((_, reject) =>
    child.once('error', (cause) => reject(new Error(`cannot start nsenter: ${cause.message}`))),
  )
  failed.catch(() => undefined)
  return {
    stdin: child.stdin ?? new PassThrough().resume(),
    stdout: child.stdout ?? Readable.from([]),
    stderr: child.stderr ?? Readable.from([]),
    resize({ columns, rows }) {
      if (tty) setTerminalSize(child, programs.stty, ['cols', String(columns), 'rows', String(rows)])
    },
    exit: Promise.race([exitOf(child).then(({ code }) => code), failed]),
    kill() {
      // The command first: what entered the namespaces does not end with its parent.
      signalProcess(lastChildOf(child.pid), 'SIGKILL')
      child.kill('SIGKILL')
    },
  }
}

const keptOutput = 1024

/** Runs a command to its end, or until the signal aborts; gives its status and the beginning of its output. */
export async function runInContainer(
  target: ExecTarget,
  command: readonly string[],
  tools: Pick<SandboxTools, 'programs' | 'toolbox'>,
  signal: AbortSignal,
): Promise<{ code: number; output: string }> {
  const session = execInContainer(target, command, { tty: false, stdin: false }, tools)
  let output = ''
  for (const stream of [session.stdout, session.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output = (output + chunk).slice(0, keptOutput)
    })
  }
  signal.addEventListener('abort', session.kill, { once: true })
  const code = await session.exit.finally(() => signal.removeEventListener('abort', session.kill))
  signal.throwIfAborted()
  return { code, output }
}

const terminalPollMs = 20

/** Sets the size of the terminal that script made, as soon as its child is on it. */
function setTerminalSize(script: ChildProcess, stty: string, size: string[]): void {
  if (script.exitCode !== null || script.signalCode !== null) return
  const stdin = `/proc/${childOf(script.pid)}/fd/0`
  if (isTerminal(stdin)) execFile(stty, ['-F', stdin, ...size], () => undefined)
  else setTimeout(setTerminalSize, terminalPollMs, script, stty, size).unref()
}

function isTerminal(descriptor: string): boolean {
  try {
    return readlinkSync(descriptor).startsWith('/dev/pts/')
  } catch {
    return false
  }
}

function lastChildOf(pid: number | undefined): number | undefined {
  const child = childOf(pid)
  return child === undefined ? undefined : (lastChildOf(child) ?? child)
}
