import { inClusterConfig, type KubeConfig, loadKubeconfig } from '#kubernetes/client'
import type { Environment, FlagSpec } from '#lib/flags'

/** `--kubeconfig` of the daemons that need a cluster. */
export const kubeconfigFlag = {
  type: 'string',
  default: '',
  help: "kubeconfig file of the cluster (default: KUBECONFIG, then the pod's service account)",
} as const satisfies FlagSpec

/** The cluster that the flag, KUBECONFIG or the pod names. Throws when there is none. */
export function clusterConfig(flag: string, env: Environment): KubeConfig {
  const path = flag || env.KUBECONFIG || ''
  if (path !== '') return loadKubeconfig(path, { environment: env })
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env
  if (host === undefined || port === undefined) {
    throw new Error('no cluster to connect to: set --kubeconfig or KUBECONFIG, or run in a pod')
  }
  return inClusterConfig({ host, port })
}
