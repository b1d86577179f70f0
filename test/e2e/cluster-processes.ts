import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Pod } from '#kubernetes/client'
import { sleep } from '#lib'
import { until } from '../support/eventually.ts'

/**
 * The programs of a cluster that runs as processes of this machine: beside its kubeconfig it keeps `run/NAME.pid` and
 * `log/NAME.log`. Undefined for another cluster.
 */
export interface ClusterProcesses {
  /** Ends the API server, which has so long to do it itself, and starts it again as it was. Resolves when it has been started. */
  restartApiServer(graceMs: number): Promise<void>
  /** Ends the API server, which has so long to do it itself; the function it gives starts it again as it was. */
  stopApiServer(graceMs: number): Promise<() => void>
  /**
   * Remembers how kube-proxy was started; the function it gives starts it again if it has ended since. That of Kubernetes 1.37 ends when its
   * Node is deleted. Elsewhere it is a pod, which kubelet starts again.
   */
  keepKubeProxy(): () => void
  /** Process id, on this machine, of the first process of a pod's container (default: its first container). */
  pidOf(pod: Pod, container?: string): Promise<number>
  /** SIGKILL to the first process of a pod's only container, as the kernel does it when memory is short. */
  kill(pod: Pod): Promise<void>
}

export function findClusterProcesses(kubeconfig: string): ClusterProcesses | undefined {
  const home = dirname(kubeconfig)
  const pidFile = (name: string) => join(home, 'run', `${name}.pid`)
  if (![pidFile('kube-apiserver'), pidFile('kubelet')].every(existsSync)) return undefined
  const pidOf = (name: string) => Number(readFileSync(pidFile(name), 'utf8'))

  /** A program that runs now, and how to start it again as it was. */
  function programNamed(name: string): { pid: number; start(): void } {
    const pid = pidOf(name)
    const program = readlinkSync(`/proc/${pid}/exe`)
    const [, ...words] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1)
    const start = () => {
      const log = openSync(join(home, 'log', `${name}.log`), 'a')
      // In the network of the node, as before.
      const network = `--net=/proc/${pidOf('kubelet')}/ns/net`
      const started: ChildProcess = spawn('nsenter', [network, program, ...words], {
        detached: true,
        stdio: ['ignore', log, log],
      })
      started.unref()
      closeSync(log)
      writeFileSync(pidFile(name), `${started.pid}\n`)
    }
    return { pid, start }
  }

  return {
    async restartApiServer(graceMs) {
      const start = await this.stopApiServer(graceMs)
      start()
    },

    async stopApiServer(graceMs) {
      const { pid, start } = programNamed('kube-apiserver')
      process.kill(pid, 'SIGTERM')
      // It would wait a minute for those who watch.
      await sleep(graceMs)
      if (isAlive(pid)) process.kill(pid, 'SIGKILL')
      await until('the API server to end', async () => !isAlive(pid) || undefined)
      return start
    },

    keepKubeProxy() {
      const { pid, start } = programNamed('kube-proxy')
      return () => {
        if (!isAlive(pid)) start()
      }
    },

    async pidOf({ status }, container) {
      const found = status?.containerStatuses?.find(({ name }) => container === undefined || name === container)
      const id = found?.containerID?.replace(/^containerd:\/\//, '') ?? ''
      const { stdout } = await promisify(execFile)('ctr', ['-n', 'k8s.io', 'task', 'ls'])
      const pid = new RegExp(`^${id}\\s+(\\d+)`, 'm').exec(stdout)?.[1]
      if (id === '' || pid === undefined) throw new Error(`no process of container ${container ?? '(the first)'}`)
      return Number(pid)
    },

    async kill({ status }) {
      const id = status?.containerStatuses?.[0]?.containerID?.replace(/^containerd:\/\//, '') ?? ''
      await promisify(execFile)('ctr', ['-n', 'k8s.io', 'task', 'kill', '-s', 'SIGKILL', id])
    },
  }
}

/** A process that has ended and whose parent has not yet waited for it is no longer alive. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
