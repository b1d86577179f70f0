import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { eventually } from './eventually.ts'
import { findProgram } from './find-program.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** The queue service of Azurite, Microsoft's emulator of storage. */
export interface Azurite {
  account: string
  key: string
  /** Path of the account in its URLs. */
  base: string
  /** With the account's path, without a trailing slash. */
  url: string
}

/** Why tests with Azurite are skipped, when they are. */
export const azuriteMissing =
  'azurite-queue is not installed: npm install --prefix DIR azurite@3.37.0, then KEYMOUNT_AZURITE=DIR/node_modules/.bin/azurite-queue'

/** The azurite-queue that $KEYMOUNT_AZURITE names, else the first on the PATH. */
export function findAzurite(): string | undefined {
  return findProgram('azurite-queue', 'KEYMOUNT_AZURITE')
}

/** Starts Azurite with one account on a free port; it ends with the test. */
export async function startAzurite(t: Pick<TestContext, 'after'>, program: string): Promise<Azurite> {
  const account = 'compared'
  const key = randomBytes(64).toString('base64')
  const listening = ['--queueHost', '127.0.0.1', '--queuePort', '0']
  const args = [...listening, '--inMemoryPersistence', '--disableTelemetry', '--silent']
  const directory = temporaryDirectory(t, 'azurite-')
  const env = { PATH: process.env.PATH, HOME: directory, AZURITE_ACCOUNTS: `${account}:${key}` }
  const child = spawn(program, args, { env, cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  const port = await eventually(portOf(child))
  return { account, key, base: `/${account}`, url: `http://127.0.0.1:${port}/${account}` }
}

/** Reads the port from the line that Azurite prints when it listens. */
function portOf(child: ChildProcess): () => string {
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (printed += chunk))
  return () => {
    const port = /listens (?:at|on) http:\/\/127\.0\.0\.1:(\d+)/i.exec(printed)?.[1]
    assert.ok(port, `Azurite printed: ${printed}`)
    return port
  }
}
