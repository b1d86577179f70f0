import { type ChildProcess, spawn } from 'node:child_process'
import type { Running } from '#lib'
import { PodNetworkError } from './pod-network-error.ts'

/** A network namespace that a process of ours holds open. The kernel removes everything in it when that process ends. */
export interface HeldNamespace extends Running {
  pid: number
}

export interface NamespacePrograms {
  setpriv: string
  unshare: string
  nsenter: string
  sh: string
  ip: string
}

/** More than the few commands of `ip` take on a busy machine, in milliseconds. */
const patienceMs = 20_000

/** Prefix of a command that ends with this process, however it ends. */
export function boundToUs({ setpriv }: Pick<NamespacePrograms, 'setpriv'>): [string, ...string[]] {
  return [setpriv, '--pdeathsig=KILL']
}

/** The words before a command that run it in the network of a process. */
export function inNetworkOf(pid: number, { nsenter }: Pick<NamespacePrograms, 'nsenter'>): string[] {
  return [nsenter, `--net=/proc/${pid}/ns/net`, '--']
}

/**
 * Creates a network namespace, runs `setup` in it, a shell script, and holds it until stopped. Rejects with what the
 * script printed as its error.
 */
export async function holdNamespace(
  programs: NamespacePrograms,
  setup: readonly string[],
  signal?: AbortSignal,
): Promise<HeldNamespace> {
  const [program, ...words] = boundToUs(programs)
  const script = ['set -e', ...setup, 'echo ready', 'exec sleep infinity'].join('\n')
  const argv = [...words, programs.unshare, '--net', programs.sh, '-c', script]
  const child = spawn(program, argv, { cwd: '/', env: systemEnvironment, stdio: ['ignore', 'pipe', 'pipe'] })
  const stop = async () => {
    child.kill('SIGKILL')
  }
  try {
    await waitUntilReady(child, signal)
  } catch (error) {
    await stop()
    throw error
  }
  return { pid: child.pid ?? 0, stop }
}

export const systemEnvironment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' }

function waitUntilReady(child: ChildProcess, signal: AbortSignal | undefined): Promise<void> {
  let errors = ''
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => fail(`not ready within ${patienceMs / 1000} s`), patienceMs)
    const onAbort = () => finish(() => reject(signal?.reason))
    const finish = (done: () => void) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      done()
    }
    const fail = (why: string) => finish(() => reject(new PodNetworkError(why)))
    if (signal?.aborted) return onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      errors += chunk
    })
    child.stdout?.once('data', () => finish(resolve))
    child.once('error', ({ message }) => fail(message))
    child.once('close', () =>
      fail(errors.trim().replaceAll('\n', '; ') || 'the network namespace could not be created'),
    )
  })
}

/** Commands of ip(8) as one step of a shell script. */
export function ipCommands(
  { ip }: Pick<NamespacePrograms, 'ip'>,
  commands: readonly string[],
  prefix: readonly string[] = [],
): string {
  return [[...prefix, ip, '-batch', '-'].join(' ').concat(" <<'END'"), ...commands, 'END'].join('\n')
}
