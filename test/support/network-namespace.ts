import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import type { TestContext } from 'node:test'

/** A network namespace with nothing but its loopback interface, as that of a pod, and a mount namespace beside it. */
export interface NetworkNamespace {
  /** Runs a program in it to its end. */
  run(words: readonly string[], options?: RunOptions): Promise<RunResult>
  /** Starts a program in it that ends with the test. */
  start(words: readonly string[], options?: RunOptions): ChildProcess
}

export interface RunOptions {
  env?: Record<string, string>
  /** User. Default root. It may read every file, wherever the sources are. */
  uid?: number
  /** Capabilities of root; default all. */
  capabilities?: readonly string[]
}

export interface RunResult {
  code: number
  stdout: string
  stderr: string
}

const program = '/usr/sbin/xtables-nft-multi'

/** Why a test that needs namespaces, users and netfilter cannot run here; undefined when it can. */
export function reasonForNoNamespace(): string | undefined {
  if (!existsSync(program)) return 'no iptables on this machine'
  const probe = spawnSync('unshare', ['-nm', 'setpriv', '--reuid=1501', '--clear-groups', 'true'])
  return probe.status === 0 ? undefined : 'network namespaces and other users need root'
}

export async function startNetworkNamespace(t: TestContext): Promise<NetworkNamespace> {
  const holder = spawn('unshare', ['-nm', 'sh', '-c', 'ip link set lo up && echo up && exec sleep 1000'])
  t.after(async () => {
    holder.kill('SIGKILL')
    if (holder.exitCode === null && holder.signalCode === null) await once(holder, 'exit')
  })
  await once(holder.stdout, 'data')
  const inside = (words: readonly string[], { uid = 0, capabilities }: RunOptions): string[] => [
    `--net=/proc/${holder.pid}/ns/net`,
    `--mount=/proc/${holder.pid}/ns/mnt`,
    'setpriv',
    ...(uid === 0
      ? capabilities === undefined
        ? ['--reuid=0']
        : [`--bounding-set=-all${capabilities.map((name) => `,+${name}`).join('')}`, '--inh-caps=-all']
      : [`--reuid=${uid}`, '--clear-groups', '--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search']),
    ...words,
  ]
  return {
    run: (words, options = {}) =>
      new Promise((resolve) => {
        execFile('nsenter', inside(words, options), { env: environment(options) }, (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
        )
      }),
    start(words, options = {}) {
      const child = spawn('nsenter', inside(words, options), { env: environment(options) })
      t.after(() => child.kill('SIGKILL'))
      return child
    },
  }
}

function environment({ env = {} }: RunOptions): Record<string, string> {
  return { PATH: process.env.PATH ?? '', ...env }
}
