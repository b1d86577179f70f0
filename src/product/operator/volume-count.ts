import { type KubeClient, resources } from '#kubernetes/client'
import { type Clock, errorMessage, type Log, type Running, repeat } from '#lib'

/** The volumes of the cluster as their status objects show them. */
export interface VolumeCount extends Running {
  /** Undefined before the first count. */
  volumes(): number | undefined
  /** Nodes that have a volume of the class; 0 in a cluster of fewer than `fewestNodes`. */
  nodesOf(namespace: string, className: string): number
}

export interface VolumeCountOptions {
  kube: KubeClient
  clock: Clock
  log: Log
  /** Nodes of a smaller cluster are not kept. Default {@link manyNodes}. */
  fewestNodes?: number | undefined
  /** Called after each count. */
  onCount?: ((volumes: number, signal: AbortSignal) => Promise<void>) | undefined
}

/** Below, all nodes may read from a vault at once. */
export const manyNodes = 300
const betweenCountsMs = 30 * 60_000
const tryAgainMs = 60_000
const nodeLabel = 'internal.secrets-store.csi.k8s.io/node-name'

interface Counted {
  volumes: number
  /** Names of the status objects and their nodes, by namespace. Empty in a small cluster. */
  byNamespace: Map<string, [name: string, node: string][]>
}

/** Counts the volumes at the start and every half hour. */
export function countVolumes(options: VolumeCountOptions): VolumeCount {
  const { kube, clock, log, fewestNodes = manyNodes, onCount } = options
  let counted: Counted | undefined
  const counting = repeat(
    async (signal) => {
      try {
        counted = await count(kube, fewestNodes, signal)
        await onCount?.(counted.volumes, signal)
        return betweenCountsMs
      } catch (error) {
        if (!signal.aborted)
          log.warn({ err: error }, `the volumes of the cluster could not be counted: ${errorMessage(error)}`)
        return tryAgainMs
      }
    },
    { clock },
  )
  return {
    volumes: () => counted?.volumes,
    // The name of a status object is POD-NAMESPACE-CLASS; its class itself is not in its metadata.
    nodesOf(namespace, className) {
      const all = counted?.byNamespace.get(namespace) ?? []
      return new Set(all.filter(([name]) => name.endsWith(`-${namespace}-${className}`)).map(([, node]) => node)).size
    },
    stop: counting.stop,
  }
}

async function count(kube: KubeClient, fewestNodes: number, signal: AbortSignal): Promise<Counted> {
  const { items } = await kube.list(resources.secretProviderClassPodStatuses, {
    metadataOnly: true,
    signal,
    pick: ({ metadata: { name = '', namespace = '', labels = {} } }) => ({
      name,
      namespace,
      node: labels[nodeLabel] ?? '',
    }),
  })
  const byNamespace: Counted['byNamespace'] = new Map()
  if (new Set(items.map(({ node }) => node)).size >= fewestNodes)
    for (const [namespace, found] of Map.groupBy(items, (item) => item.namespace))
      byNamespace.set(
        namespace,
        found.map(({ name, node }) => [name, node]),
      )
  return { volumes: items.length, byNamespace }
}
