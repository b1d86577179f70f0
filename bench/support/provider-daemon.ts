import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { credentials } from '@grpc/grpc-js'
import { CSIDriverProviderClient, type MountRequest } from '#kubernetes/provider-protocol'
import { nodeFlags } from '../../src/packaging/image/image-config.ts'
import type { ProviderLab } from '../../test/support/provider-lab.ts'

export interface ProviderDaemon {
  readonly socket: string
  /** One Mount as the driver calls it; rejects when it fails. */
  mount(request: Pick<Partial<MountRequest>, 'attributes' | 'currentObjectVersion'>): Promise<void>
  /** Memory in MiB from `smaps_rollup`. */
  memory(): { pss: number; pssAnon: number }
  /** TCP connections that it has opened or accepted, and that are open. */
  connections(): number
  /** Milliseconds of CPU that the process has used. */
  cpuMs(): number
  stop(): Promise<void>
}

export interface ProviderDaemonOptions {
  flags?: readonly string[]
  /** Default: the daemon from its source. */
  program?: readonly string[]
  /** Default: the Node that runs this. */
  node?: string
}

/** The provider in a process of its own, reaching the lab as a user's would: by environment. */
export async function startProviderDaemon(
  t: TestContext,
  { http }: Pick<ProviderLab, 'http'>,
  {
    flags = [],
    program = [join(import.meta.dirname, '../../src/bin/provider.ts')],
    node = process.execPath,
  }: ProviderDaemonOptions = {},
): Promise<ProviderDaemon> {
  const directory = mkdtempSync(join(tmpdir(), 'keymount-bench-'))
  const socket = join(directory, 'azure.sock')
  const ca = join(directory, 'ca.pem')
  writeFileSync(ca, http.ca ?? '')
  const args = [
    ...nodeFlags,
    '--disable-warning=ExperimentalWarning',
    ...program,
    `--endpoint=unix://${socket}`,
    '--healthz-port=0',
    '--prometheus-port=0',
    ...flags,
  ]
  const env = { PATH: process.env.PATH, ...http.proxyEnv, SSL_CERT_FILE: ca, MALLOC_ARENA_MAX: '1' }
  const child = spawn(node, args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
  await new Promise<void>((resolve, reject) => {
    let output = ''
    child.stderr.on('data', (text: Buffer) => {
      output = (output + text.toString()).slice(-4000)
      if (output.includes('"ready"')) resolve()
    })
    child.once('exit', () => reject(new Error(`the provider ended: ${output}`)))
  })
  const client = new CSIDriverProviderClient(`unix:${socket}`, credentials.createInsecure(), {
    'grpc.default_authority': 'localhost',
  })
  const stop = async () => {
    client.close()
    child.kill('SIGTERM')
    if (child.exitCode === null && child.signalCode === null)
      await new Promise((resolve) => child.once('exit', resolve))
    rmSync(directory, { recursive: true, force: true })
  }
  t.after(stop)
  return {
    socket,
    stop,
    mount({ attributes = '', currentObjectVersion = [] }) {
      const message = { attributes, secrets: 'null', targetPath: '/', permission: '420', currentObjectVersion }
      return new Promise((resolve, reject) =>
        client.mount(message, (error) => (error === null ? resolve() : reject(error))),
      )
    },
    memory() {
      const text = readFileSync(`/proc/${child.pid}/smaps_rollup`, 'utf8')
      const mib = (field: string) =>
        Number((Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) / 1024).toFixed(1))
      return { pss: mib('Pss'), pssAnon: mib('Pss_Anon') }
    },
    connections() {
      const established = readFileSync(`/proc/${child.pid}/net/tcp`, 'utf8').split('\n').slice(1)
      const inodes = new Set(
        established.flatMap((line) => {
          const [, , , state, , , , , , inode] = line.trim().split(/\s+/)
          return state === '01' && inode !== undefined ? [inode] : []
        }),
      )
      const files = readdirSync(`/proc/${child.pid}/fd`)
      return files.filter((file) => inodes.has(socketInode(`/proc/${child.pid}/fd/${file}`))).length
    },
    cpuMs() {
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
      return (Number(fields[11]) + Number(fields[12])) * 10
    },
  }
}

/** The provider of another commit, from its Node and its `start.cjs` or `provider.ts`. */
export function otherProvider(command: string): ProviderDaemonOptions {
  const [node = '', ...program] = command.split(' ')
  return { node, program: program.at(-1)?.endsWith('start.cjs') ? [...program, 'provider'] : program }
}

/** Empty for a file that is not a socket, or is closed by now. */
function socketInode(path: string): string {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(path))?.[1] ?? ''
  } catch {
    return ''
  }
}
