import { type KubeConfig, loadKubeconfig } from '#kubernetes/client'
import { errorMessage } from '#lib'
import { CliError, type CliWorld } from '#terminal'

/** There is no such kubeconfig, or it names no cluster. */
export class KubeconfigError extends CliError {}

/** Reads a kubeconfig. Throws {@link KubeconfigError}. */
export function readKubeconfig(path: string, env: CliWorld['env']): KubeConfig {
  try {
    return loadKubeconfig(path, { environment: env })
  } catch (cause) {
    throw new KubeconfigError({
      what: `The kubeconfig ${path} cannot be used`,
      why: errorMessage(cause),
      fix: ['name another: --kubeconfig FILE'],
      cause,
    })
  }
}
