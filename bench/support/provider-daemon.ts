import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { credentials } from '@grpc/grpc-js'
import { CSIDriverProviderClient } from '#kubernetes/provider-protocol'
import { nodeFlags } from '../../src/packaging/image/image-config.ts'
import type { ProviderLab } from '../../test/support/provider-lab.ts'

export interface ProviderDaemon {
  readonly socket: string
  /** One Mount as the driver calls it; rejects when it fails. */
  mount(request: { attributes?: string }): Promise<void>
  /** Memory in MiB from `smaps_rollup`. */
  memory(): { pss: number; pssAnon: number }
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
    mount({ attributes = '' }) {
      const message = { attributes, secrets: 'null', targetPath: '/', permission: '420', currentObjectVersion: [] }
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
    cpuMs() {
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
      return (Number(fields[11]) + Number(fields[12])) * 10
    },
  }
}
