import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { errorCode } from './problem.ts'

export interface ProgramResult {
  /** Exit status; 1 for a program that a signal or the deadline ended. Undefined when there is no such program. */
  status: number | undefined
  stdout: string
  stderr: string
}

export interface ProgramRun {
  program: string
  args: readonly string[]
  /** Text for its standard input. Default: none. */
  input?: string | undefined
  /** The whole environment, in addition to a PATH of the system's directories. Default: nothing else. */
  env?: Readonly<Record<string, string>> | undefined
  /** The program is killed after this time. Default 30,000 ms. */
  deadlineMs?: number | undefined
  /** Kills the program; the run then rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Bytes of standard output, and of standard error, that are kept; what exceeds them is dropped. Default 1 MiB. */
  maxOutputBytes?: number | undefined
}

/** Runs a program to its end. A failure of the program is a result; rejects only when the program cannot be run, or on abort. */
export type RunProgram = (run: ProgramRun) => Promise<ProgramResult>

const systemPath = '/usr/sbin:/usr/bin:/sbin:/bin'

export const runProgram: RunProgram = ({
  program,
  args,
  input = '',
  env,
  deadlineMs = 30_000,
  signal,
  maxOutputBytes = 1024 * 1024,
}) =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const child = spawn(program, args, { env: { PATH: systemPath, ...env }, stdio: 'pipe' })
    // First of all: a process without file descriptors gets a child without streams, and hears of it by this event alone.
    child.on('error', (error) => {
      finish()
      if (errorCode(error) === 'ENOENT') resolve({ status: undefined, stdout: '', stderr: '' })
      else reject(error)
    })
    let finish = () => {}
    if (!hasStreams(child)) return
    const [stdout, stderr] = [textOf(child.stdout, maxOutputBytes), textOf(child.stderr, maxOutputBytes)]
    let ended: string | undefined
    const kill = (why: string) => {
      ended = why
      child.kill('SIGKILL')
      // A grandchild that still has the pipes open must not hold up the result.
      child.stdout.destroy()
      child.stderr.destroy()
    }
    const timer = setTimeout(() => kill(`did not end within ${deadlineMs / 1000} s`), deadlineMs)
    const onAbort = () => kill('aborted')
    signal?.addEventListener('abort', onAbort, { once: true })
    finish = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
    child.on('close', (code, killedBy) => {
      finish()
      if (signal?.aborted) return reject(signal.reason)
      const why = ended ?? (killedBy === null ? undefined : `ended by ${killedBy}`)
      resolve({ status: code ?? 1, stdout: stdout(), stderr: why ?? stderr() })
    })
    // A program that rejects its command line does not read its input.
    child.stdin.on('error', () => undefined).end(input)
  })

/** Its type promises them; where the system gives none, they are undefined. */
function hasStreams({ stdin, stdout, stderr }: Partial<ChildProcessWithoutNullStreams>): boolean {
  return stdin !== undefined && stdout !== undefined && stderr !== undefined
}

function textOf(stream: NodeJS.ReadableStream, maxBytes: number): () => string {
  const chunks: Buffer[] = []
  let size = 0
  stream.on('data', (chunk: Buffer) => {
    const kept = chunk.subarray(0, Math.max(maxBytes - size, 0))
    size += chunk.length
    if (kept.length > 0) chunks.push(kept)
  })
  return () => Buffer.concat(chunks).toString('utf8')
}
