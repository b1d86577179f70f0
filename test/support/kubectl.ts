import { execFile } from 'node:child_process'
import { findProgram } from './find-program.ts'

export interface CommandResult {
  status: number
  stdout: string
  stderr: string
}

/** Runs one command; `input` is its standard input. */
export type Kubectl = (args: readonly string[], input?: unknown) => Promise<CommandResult>

/** Why tests with kubectl are skipped, when they are. */
export const kubectlMissing =
  'kubectl is not installed: put one on the PATH or name it in KEYMOUNT_KUBECTL (https://kubernetes.io/docs/tasks/tools/)'

/** The kubectl that $KEYMOUNT_KUBECTL names, else the first on the PATH. */
export function findKubectl(): string | undefined {
  return findProgram('kubectl', 'KEYMOUNT_KUBECTL')
}

/** kubectl for one cluster, with a cache of its own in `cacheDir`. An object as input is sent as JSON. */
export function kubectlFor(
  program: string,
  { kubeconfig, cacheDir }: { kubeconfig: string; cacheDir: string },
): Kubectl {
  const env = { PATH: process.env.PATH ?? '', HOME: cacheDir, KUBECONFIG: kubeconfig }
  return (args, input) =>
    new Promise((resolve) => {
      const child = execFile(
        program,
        ['--cache-dir', cacheDir, ...args],
        { env, maxBuffer: 64 * 1024 * 1024 },
        (error, stdout, stderr) => {
          resolve({ status: error === null ? 0 : Number(error.code ?? 1), stdout, stderr })
        },
      )
      child.stdin?.end(input === undefined || typeof input === 'string' ? input : JSON.stringify(input))
    })
}
