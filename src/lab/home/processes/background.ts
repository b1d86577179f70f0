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
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { errorCode } from '#lib'
import { CliError } from '#terminal'
import type { LabHome } from '../state/lab-home.ts'
import { identifyProcess, isSameProcessAlive, type ProcessIdentity } from './process-identity.ts'

/** A program that a lab runs in the background. `aks-1` and so on are clusters that `az aks create` made. */
export type ClusterProgram = 'local-cluster' | `aks-${number}`
export type BackgroundName = ClusterProgram | 'local-azure' | 'namespace'

/**
 * What has been started and not stopped, in the order in which it is stopped: pods' volumes are taken down while Azure is
 * still there, and the namespace keeps their mounts until the end.
 */
export function startedPrograms(home: LabHome): BackgroundName[] {
  if (!existsSync(home.run)) return []
  const names = readdirSync(home.run).flatMap((file) => /^(.+)\.process\.json$/.exec(file)?.[1] ?? [])
  const clusters = names.filter((name) => name === 'local-cluster' || /^aks-\d+$/.test(name)).toSorted()
  const others = ['local-azure', 'namespace'].filter((name) => names.includes(name))
  return [...clusters, ...others] as BackgroundName[]
}

/** What a program said when it was ready: one line of JSON on standard output. */
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
  timeoutMs?: number
  signal?: AbortSignal | undefined
}

const maxLogBytes = 10 * 1024 * 1024
/** With less room than this in bytes, a disk is called full. */
const smallestRoom = 64 * 1024

/**
 * Starts a program that outlives this one and waits for its ready line. Its standard output and error are files, so that
 * it never writes to a pipe whose reader has gone; what it said when ready can be read again by the next command.
 *
 * Throws {@link CliError} with the end of its log when it ends, or says nothing in time.
 */
export async function startBackground(options: StartOptions): Promise<Background> {
  const { home, name, title, command, env, timeoutMs = 20_000, signal } = options
  const files = filesOf(home, name)
  rotateLog(files.log)
  const logStart = existsSync(files.log) ? statSync(files.log).size : 0
  const child = spawnDetached(command, { cwd: home.root, env, ...files })
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, by) => resolve(by === null ? `it ended with status ${code}` : `it was ended by ${by}`))
  })
  const identity = child.pid === undefined ? undefined : identifyProcess(child.pid)
  if (identity !== undefined) writeFileSync(files.process, JSON.stringify(identity), { mode: 0o600 })

  const deadline = Date.now() + timeoutMs
  let end: string | undefined
  void ended.then((text) => {
    end = text
  })
  for (;;) {
    const ready = readReady(files.ready)
    if (identity !== undefined && ready !== undefined) {
      child.unref()
      return { name, process: identity, ready }
    }
    if (signal?.aborted || end !== undefined || Date.now() > deadline) break
    await delay(10)
  }
  child.kill('SIGKILL')
  forget(home, name)
  signal?.throwIfAborted()
  throw new CliError({
    what: `Cannot start ${title}`,
    why: whyNot(home, end ?? `it did not become ready within ${timeoutMs / 1000} s`),
    detail: tail(readFileSync(files.log).subarray(logStart).toString('utf8')),
    fix: [`the whole log is in ${files.log}`],
  })
}

/** A full disk takes the log too, and with it the reason. */
function whyNot(home: LabHome, end: string): string {
  const { bavail, bsize } = statfsSync(home.root)
  return bavail * bsize < smallestRoom ? `${end}; the disk of ${home.root} is full` : end
}

/** The program if it runs; undefined when it was never started, was stopped or has died. */
export function findBackground(home: LabHome, name: BackgroundName): Background | undefined {
  const files = filesOf(home, name)
  const identity = readIdentity(files.process)
  const ready = readReady(files.ready)
  if (identity === undefined || ready === undefined || !isSameProcessAlive(identity)) return undefined
  return { name, process: identity, ready }
}

/**
 * Asks the program to end, and ends it after `graceMs` (default 15,000). Nothing to do when it does not run.
 * Tells how it went: `absent`, `stopped` or `killed`.
 */
export async function stopBackground(
  home: LabHome,
  name: BackgroundName,
  graceMs = 15_000,
): Promise<'absent' | 'stopped' | 'killed'> {
  const identity = readIdentity(filesOf(home, name).process)
  if (identity === undefined || !isSameProcessAlive(identity)) {
    forget(home, name)
    return 'absent'
  }
  signalProcess(identity.pid, 'SIGTERM')
  const inTime = await endsWithin(identity, graceMs)
  if (!inTime) {
    signalProcess(identity.pid, 'SIGKILL')
    await endsWithin(identity, 5000)
  }
  forget(home, name)
  return inTime ? 'stopped' : 'killed'
}

function filesOf(home: LabHome, name: BackgroundName) {
  return {
    process: join(home.run, `${name}.process.json`),
    ready: join(home.run, `${name}.ready.json`),
    log: logFile(home, name),
  }
}

export function logFile(home: LabHome, name: BackgroundName): string {
  return join(home.logs, `${name}.log`)
}

function forget(home: LabHome, name: BackgroundName): void {
  const files = filesOf(home, name)
  rmSync(files.process, { force: true })
  rmSync(files.ready, { force: true })
}

function spawnDetached(
  [program = '', ...args]: readonly string[],
  { cwd, env, ready, log }: { cwd: string; env: Record<string, string>; ready: string; log: string },
): ChildProcess {
  const stdout = openSync(ready, 'w', 0o600)
  const stderr = openSync(log, 'a', 0o600)
  try {
    return spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', stdout, stderr] })
  } finally {
    closeSync(stdout)
    closeSync(stderr)
  }
}

/** One old log is kept; a log that an earlier run filled does not grow for ever. */
function rotateLog(path: string): void {
  if (existsSync(path) && statSync(path).size > maxLogBytes) renameSync(path, `${path}.1`)
}

function readIdentity(path: string): ProcessIdentity | undefined {
  const value = readJson(path)
  return typeof value?.pid === 'number' ? (value as unknown as ProcessIdentity) : undefined
}

/** The ready line, once it is there as a whole. */
function readReady(path: string): ReadyLine | undefined {
  const value = readJson(path)
  return value?.ready === true ? value : undefined
}

function readJson(path: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
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

async function endsWithin(identity: ProcessIdentity, ms: number): Promise<boolean> {
  const deadline = Date.now() + ms
  while (isSameProcessAlive(identity)) {
    if (Date.now() > deadline) return false
    await delay(10)
  }
  return true
}

/** The last lines, for people: log records as `level message`, anything else as it is. */
function tail(text: string, lines = 12): string {
  return text.trimEnd().split('\n').slice(-lines).map(readable).join('\n')
}

function readable(line: string): string {
  try {
    const { level, msg, err } = JSON.parse(line) as { level?: string; msg?: string; err?: { message?: string } }
    if (msg === undefined) return line
    return `${level ?? ''} ${msg}${err?.message === undefined || msg.includes(err.message) ? '' : `: ${err.message}`}`
  } catch {
    return line
  }
}
