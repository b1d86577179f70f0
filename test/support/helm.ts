import { execFile } from 'node:child_process'
import { helm } from '../packaging/charts/helm.ts'

/** helm for one cluster and the namespace kube-system, with a cache of its own in `directory`. Rejects with what helm printed. */
export function helmFor({ kubeconfig, directory }: { kubeconfig: string; directory: string }) {
  const env = {
    PATH: process.env.PATH,
    HOME: directory,
    KUBECONFIG: kubeconfig,
    HELM_CACHE_HOME: directory,
    HELM_CONFIG_HOME: directory,
    HELM_DATA_HOME: directory,
  }
  return (...args: string[]) =>
    new Promise<string>((resolve, reject) =>
      execFile(helm ?? 'helm', [...args, '-n', 'kube-system'], { env }, (error, stdout, stderr) =>
        error === null ? resolve(stdout) : reject(new Error(`helm ${args.join(' ')}: ${stderr}`)),
      ),
    )
}
