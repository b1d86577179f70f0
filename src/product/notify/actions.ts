import { constants } from 'node:os'
import { errorMessage, runProgram } from '#lib'
import { processesNamed } from './signal-processes.ts'

/** What is done about a change. */
export type NotifyAction =
  | { kind: 'post'; url: string }
  | { kind: 'signal'; signal: string; process: string }
  | { kind: 'exit-code'; code: number }
  | { kind: 'command'; words: readonly string[] }

export interface ActionWorld {
  /** POSTs nothing to a URL; the status of the answer. */
  post(url: string, signal: AbortSignal): Promise<number>
  exit(code: number): void
}

const commandTimeoutMs = 60_000

/** Rejects with what went wrong, for another try. */
export async function act(action: NotifyAction, { post, exit }: ActionWorld, signal: AbortSignal): Promise<void> {
  switch (action.kind) {
    case 'post': {
      const status = await post(action.url, signal)
      if (status >= 300) throw new Error(`POST ${action.url}: the answer has status ${status}`)
      return
    }
    case 'signal':
      return sendSignal(action)
    case 'exit-code':
      return exit(action.code)
    case 'command':
      return runCommand(action.words, signal)
    default:
      throw new Error(`unknown action ${JSON.stringify(action satisfies never)}`)
  }
}

function sendSignal({ signal, process: name }: { signal: string; process: string }): void {
  const pids = processesNamed(name)
  if (pids.length === 0)
    throw new Error(
      `there is no process ${name}; the pod needs shareProcessNamespace: true, and the process has to run`,
    )
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch (error) {
      if ((error as { code?: string }).code === 'ESRCH') continue
      throw new Error(
        `${signal} to process ${name} (${pid}): ${errorMessage(error)}; run as the same user, or with the capability KILL`,
        { cause: error },
      )
    }
  }
}

async function runCommand([program = '', ...args]: readonly string[], signal: AbortSignal): Promise<void> {
  const { status, stderr } = await runProgram({ program, args, deadlineMs: commandTimeoutMs, signal })
  if (status === undefined) throw new Error(`there is no program ${program}`)
  if (status !== 0) throw new Error(`${program} ended with status ${status}: ${stderr.slice(-500).trim()}`)
}

/** `HUP` or `SIGHUP` as the kernel's name; undefined for another text. */
export function signalName(text: string): NodeJS.Signals | undefined {
  const name = text.startsWith('SIG') ? text : `SIG${text}`
  return Object.hasOwn(constants.signals, name) ? (name as NodeJS.Signals) : undefined
}
