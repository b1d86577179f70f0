import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

export interface OperatorProcess {
  /** `kill -9`, then waits for its end. */
  kill(): Promise<void>
}

/** Starts `keymount operator` as a process of this machine, for the cluster of a kubeconfig. Does not wait for it. */
export function startOperatorProcess(kubeconfig: string, flags: readonly string[]): OperatorProcess {
  const program = join(import.meta.dirname, '../../src/bin/operator.ts')
  const words = ['--disable-warning=ExperimentalWarning', program, `--kubeconfig=${kubeconfig}`]
  const noPorts = ['--metrics-bind-address=0', '--health-probe-bind-address=0']
  const child = spawn(process.execPath, [...words, ...noPorts, ...flags], { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(child, 'exit')
  return {
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
