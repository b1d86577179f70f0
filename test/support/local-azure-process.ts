import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import type { LocalAzure } from '#lab/azure'

const program = join(import.meta.dirname, '../../src/bin/local-azure.ts')

/** The local Azure as its users run it: a process with flags, which prints when it is ready. */
export interface LocalAzureProcess extends LocalAzure {
  readonly process: ChildProcess
  /** Kills it with SIGKILL. */
  kill(): Promise<void>
}

/** Starts the program on a state directory and free ports; it ends with the test. Rejects with its output when it ends before it is ready. */
export async function spawnLocalAzure(
  t: TestContext,
  stateDir: string,
  flags: string[] = [],
): Promise<LocalAzureProcess> {
  const arguments_ = [
    '--disable-warning=ExperimentalWarning',
    program,
    '--state',
    stateDir,
    '--port',
    '0',
    '--imds-port',
    '0',
    ...flags,
  ]
  const child = spawn(process.execPath, arguments_, { stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  const written: string[] = []
  child.stderr.on('data', (chunk: Buffer) => written.push(chunk.toString('utf8')))
  const exited = once(child, 'exit')
  const firstLine = once(createInterface(child.stdout), 'line').then(([line]) => JSON.parse(String(line)))
  const ready = await Promise.race([firstLine, exited.then(() => undefined)])
  if (ready === undefined) throw new Error(`local-azure ended with ${child.exitCode}: ${written.join('')}`)
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal)
    await exited
  }
  return {
    proxyUrl: ready.proxy,
    imds: ready.imds,
    caFile: ready.ca,
    credentialsFile: ready.credentials,
    controlSocket: ready.control,
    process: child,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  }
}
