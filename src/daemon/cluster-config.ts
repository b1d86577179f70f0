import { inClusterConfig, type KubeConfig, loadKubeconfig } from '#kubernetes/client'

/** The cluster of a kubeconfig file, or that of the pod when the path is empty. Throws when there is neither. */
export function clusterConfig(path: string, env: NodeJS.ProcessEnv): KubeConfig {
  if (path !== '') return loadKubeconfig(path, { environment: env })
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env
  if (host === undefined || port === undefined) {
    throw new Error('no cluster to speak to: give --kubeconfig or KUBECONFIG, or run in a pod')
  }
  return inClusterConfig({ host, port })
}
