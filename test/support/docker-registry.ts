import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { stringify } from 'yaml'
import { eventually } from './eventually.ts'
import { findProgram } from './find-program.ts'
import { freePort } from './free-port.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const program = findProgram('docker-registry', 'KEYMOUNT_DOCKER_REGISTRY')

/** Options of a test that needs a real registry: Debian's package docker-registry. */
export const needsRegistry: { skip?: string } =
  program === undefined ? { skip: 'docker-registry not found: apt-get install docker-registry' } : {}

export interface RegistrySettings {
  /** How clients sign in, as in its configuration. Default: they need not. */
  auth?: object | undefined
  /** Files for it, by the variable that its configuration names them with. */
  tls?: { certificate: string; key: string } | undefined
  /** Words before its command line, for example of another network. */
  within?: readonly string[] | undefined
  /** Default: a free one of this machine. */
  port?: number | undefined
}

export interface Registry {
  /** `127.0.0.1:PORT`. */
  host: string
  /** Lines of its log, which name each request. */
  log(): string
}

/** A registry of Docker's distribution on loopback, with its own directory; it ends with the test. */
export async function startRegistry(t: TestContext, settings: RegistrySettings = {}): Promise<Registry> {
  const directory = temporaryDirectory(t)
  const port = settings.port ?? (await freePort())
  const host = `127.0.0.1:${port}`
  mkdirSync(join(directory, 'storage'))
  const config = {
    version: '0.1',
    log: { level: 'info', formatter: 'json' },
    storage: { filesystem: { rootdirectory: join(directory, 'storage') } },
    http: { addr: host, ...(settings.tls === undefined ? {} : { tls: settings.tls }) },
    ...(settings.auth === undefined ? {} : { auth: settings.auth }),
  }
  const file = join(directory, 'config.yml')
  writeFileSync(file, stringify(config))
  const [first = '', ...words] = [...(settings.within ?? []), program ?? 'docker-registry', 'serve', file]
  const child = spawn(first, words, { env: { PATH: process.env.PATH ?? '' }, stdio: ['ignore', 'pipe', 'pipe'] })
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => void lines.push(text))
  }
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  t.after(async () => {
    child.kill('SIGTERM')
    await ended
  })
  await eventually(() => {
    if (child.exitCode !== null) throw new Error(`docker-registry ended: ${lines.join('')}`)
    if (!lines.join('').includes('listening on')) throw new Error('docker-registry does not listen yet')
  })
  return { host, log: () => lines.join('') }
}
