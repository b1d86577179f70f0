import { type ChildProcess, spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import { errorCode } from '#lib'
import { poll } from '#lib/async'
import { replaceFile } from '#lib/files'
import { recordOf, stringOf, valueAt } from '#lib/formats'
import { CliError } from '#terminal'
import type { LabHome } from '../state/lab-home.ts'
import { identifyProcess, isSameProcessAlive, type ProcessIdentity } from './process-identity.ts'

/** A program that a lab runs in the background. `aks-1` and so on are clusters that `az aks create` made. */
export type ClusterProgram = 'local-cluster' | `aks-${number}`
export type BackgroundName = ClusterProgram | 'local-azure' | 'namespace'

/**
 * What has been started and not stopped, in the order in which it is stopped: volumes of pods are unmounted while Azure is
 * still there, and the namespace holds their mounts until the end.
 */
export function startedPrograms(home: LabHome): BackgroundName[] {
  if (!existsSync(home.run)) return []
  const names = readdirSync(home.run).flatMap((file) => /^(.+)\.process\.json$/.exec(file)?.[1] ?? [])
  const clusters = names.filter((name) => name === 'local-cluster' || /^aks-\d+$/.test(name)).toSorted()
  const others = ['local-azure', 'namespace'].filter((name) => names.includes(name))
  return [...clusters, ...others] as BackgroundName[]
}

/** What a program printed when it was ready: one line of JSON on standard output. */
export type ReadyLine = Record<string, unknown>

export interface Background {
  name: BackgroundName
  process: ProcessIdentity
  ready: ReadyLine
}

export interface StartOptions {
  home: LabHome
  name: BackgroundName
  /** For messages: `the local Azure`. */
  title: string
  command: readonly string[]
  env: Record<string, string>
  /** Milliseconds until the ready line. Default 20,000. */
  timeoutMs?: number | undefined
  signal?: AbortSignal | undefined
}

interface BackgroundFiles {
  process: string
  ready: string
  log: string
}

const pollMs = 10
const maxLogBytes = 10 * 1024 * 1024
/** With less room than this in bytes, a disk counts as full. */
const smallestRoom = 64 * 1024

/**
 * Starts a program that outlives this one and waits for its ready line. Its standard output and error are files, so that
 * it never writes to a pipe without a reader, and the next command can read the ready line again.
 *
 * Throws {@link CliError} with the end of its log when it ends, or is not ready in time.
 */
export async function startBackground(options: StartOptions): Promise<Background> {
  const { home, name, title, command, env, timeoutMs = 20_000, signal } = options
  const files = filesOf(home, name)
  rotateLog(files.log)
  const logStart = existsSync(files.log) ? statSync(files.log).size : 0
  const child = spawnDetached(command, { cwd: home.root, env, files })
  const identity = child.pid === undefined ? undefined : identifyProcess(child.pid)
  if (identity !== undefined) replaceFile(files.process, JSON.stringify(identity))
  const ready = await waitUntilReady(child, files.ready, { timeoutMs, signal })
  if (identity !== undefined && typeof ready === 'object') {
    child.unref()
    return { name, process: identity, ready }
  }
  child.kill('SIGKILL')
  removeFiles(home, name)
  signal?.throwIfAborted()
  throw new CliError({
    what: `Cannot start ${title}`,
    why: withDiskSpace(home, typeof ready === 'string' ? ready : 'it ended at once'),
    detail: tail(readFileSync(files.log).subarray(logStart).toString('utf8')),
    fix: [`see its whole log: ${files.log}`],
  })
}

/** The ready line; or why there is none. */
async function waitUntilReady(
  child: ChildProcess,
  file: string,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal | undefined },
): Promise<ReadyLine | string> {
  let end: string | undefined
  child.once('error', (error) => {
    end = error.message
  })
  child.once('exit', (code, by) => {
    end = by === null ? `it ended with status ${code}` : `it was ended by ${by}`
  })
  const late = () => `it was not ready within ${timeoutMs / 1000} s`
  const answer = () => readReady(file) ?? end ?? (signal?.aborted ? late() : undefined)
  return poll<ReadyLine | string>(answer, { everyMs: pollMs, withinMs: timeoutMs, late })
}

/** On a full disk the log is lost too, and with it the reason. */
function withDiskSpace(home: LabHome, reason: string): string {
  const { bavail, bsize } = statfsSync(home.root)
  return bavail * bsize < smallestRoom ? `${reason}; the disk of ${home.root} is full` : reason
}

/** The program if it is running; undefined if it was never started, was stopped or has died. */
export function findBackground(home: LabHome, name: BackgroundName): Background | undefined {
  const files = filesOf(home, name)
  const identity = readIdentity(files.process)
  const ready = readReady(files.ready)
  if (identity === undefined || ready === undefined || !isSameProcessAlive(identity)) return undefined
  return { name, process: identity, ready }
}

/** Asks the program to end, and kills it after `graceMs` (default 15,000). `absent`: it was not running. */
export async function stopBackground(
  home: LabHome,
  name: BackgroundName,
  graceMs = 15_000,
): Promise<'absent' | 'stopped' | 'killed'> {
  const identity = readIdentity(filesOf(home, name).process)
  if (identity === undefined || !isSameProcessAlive(identity)) {
    removeFiles(home, name)
    return 'absent'
  }
  signalProcess(identity.pid, 'SIGTERM')
  const inTime = await hasEndedWithin(identity, graceMs)
  if (!inTime) {
    signalProcess(identity.pid, 'SIGKILL')
    await hasEndedWithin(identity, 5000)
  }
  removeFiles(home, name)
  return inTime ? 'stopped' : 'killed'
}

function filesOf(home: LabHome, name: BackgroundName): BackgroundFiles {
  return {
    process: join(home.run, `${name}.process.json`),
    ready: join(home.run, `${name}.ready.json`),
    log: join(home.logs, `${name}.log`),
  }
}

function removeFiles(home: LabHome, name: BackgroundName): void {
  const files = filesOf(home, name)
  rmSync(files.process, { force: true })
  rmSync(files.ready, { force: true })
}

function spawnDetached(
  [program = '', ...args]: readonly string[],
  { cwd, env, files }: { cwd: string; env: Record<string, string>; files: BackgroundFiles },
): ChildProcess {
  const stdout = openSync(files.ready, 'w', 0o600)
  const stderr = openSync(files.log, 'a', 0o600)
  try {
    return spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', stdout, stderr] })
  } finally {
    closeSync(stdout)
    closeSync(stderr)
  }
}

/** One old log is kept, so that logs do not grow without end. */
function rotateLog(path: string): void {
  if (existsSync(path) && statSync(path).size > maxLogBytes) renameSync(path, `${path}.1`)
}

function readIdentity(path: string): ProcessIdentity | undefined {
  const { pid, startTime, bootId } = recordOf(readJson(path)) ?? {}
  if (typeof pid !== 'number' || typeof startTime !== 'string' || typeof bootId !== 'string') return undefined
  return { pid, startTime, bootId }
}

/** The ready line, once it has been written completely. */
function readReady(path: string): ReadyLine | undefined {
  const value = recordOf(readJson(path))
  return value?.ready === true ? value : undefined
}

/** Undefined for a file that is not there, or not JSON yet. */
function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if (error instanceof SyntaxError || errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

function signalProcess(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error
  }
}

function hasEndedWithin(identity: ProcessIdentity, ms: number): Promise<boolean> {
  const hasEnded = () => !isSameProcessAlive(identity) || undefined
  return poll<boolean>(hasEnded, { everyMs: pollMs, withinMs: ms, late: () => false })
}

/** The last lines, for people: log records as `level message`, anything else as it is. */
function tail(text: string, lines = 12): string {
  return text.trimEnd().split('\n').slice(-lines).map(readable).join('\n')
}

function readable(line: string): string {
  let record: unknown
  try {
    record = JSON.parse(line)
  } catch {
    return line
  }
  const [level, message, cause] = [['level'], ['msg'], ['err', 'message']].map((path) =>
    stringOf(valueAt(record, ...path)),
  )
  if (message === undefined) return line
  return `${level ?? ''} ${message}${cause === undefined || message.includes(cause) ? '' : `: ${cause}`}`
}
