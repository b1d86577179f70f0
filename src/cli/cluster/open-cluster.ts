import { createKubeClient, type KubeClient, type KubeConfig } from '#kubernetes/client'
import { readKubeconfig } from '#lab/home'
import type { CliWorld } from '#terminal'
import type { ClusterOption } from '../options.ts'
import { chosenKubeconfig } from './chosen-kubeconfig.ts'

/** A cluster that a command works on. */
export interface OpenCluster {
  config: KubeConfig
  kube: KubeClient
}

/** Opens the cluster that the options or the environment name. Throws `CliError` if there is none. */
export function openCluster(options: ClusterOption, world: CliWorld): OpenCluster {
  const config = readKubeconfig(chosenKubeconfig(options, world), world.env)
  return { config, kube: createKubeClient(config) }
}

/** Runs `work` on the cluster that the options or the environment name. */
export async function withCluster<T>(
  options: ClusterOption,
  world: CliWorld,
  work: (cluster: OpenCluster) => Promise<T>,
): Promise<T> {
  const cluster = openCluster(options, world)
  try {
    return await work(cluster)
  } finally {
    cluster.kube.close()
  }
}
