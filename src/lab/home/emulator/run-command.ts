import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { errorCode, errorMessage } from '#lib'
import { CliError } from '#terminal'
import type { Environment } from '../original-environment.ts'

export interface CommandOptions {
  /** Program and arguments. */
  command: readonly string[]
  env: Environment
  /** Ends the command: first SIGTERM, then SIGKILL after a grace period. */
  signal: AbortSignal
}

const graceMs = 10_000
const parentPollMs = 500

/** Runs a command in the user's terminal and returns its exit status; 128 + N when signal N ended it, as shells do. */
export async function runCommand({ command, env, signal }: CommandOptions): Promise<number> {
  const [program = '', ...args] = command
  const variables = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined))
  const child = spawn(program, args, { env: variables, stdio: 'inherit' })
  const abort = () => end(child)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    const [code, endedBy] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    return code ?? 128 + (endedBy === null ? 0 : constants.signals[endedBy])
  } catch (error) {
    throw new CliError({ what: `Cannot run ${program}`, why: whyNotRun(error), cause: error })
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function whyNotRun(error: unknown): string {
  if (errorCode(error) === 'ENOENT') return 'there is no such program on the PATH'
  return errorCode(error) === 'EACCES' ? 'it is not executable' : errorMessage(error)
}

function end(child: ChildProcess): void {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
  child.once('exit', () => clearTimeout(timer))
}

/** Aborts when the process that started this one ends, so that nothing of a killed test run stays. */
export function signalOfParent(): AbortSignal {
  const controller = new AbortController()
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    controller.abort(new Error('the parent process ended'))
  }, parentPollMs)
  timer.unref()
  return controller.signal
}
