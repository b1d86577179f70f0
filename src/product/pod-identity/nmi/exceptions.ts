import { type AzurePodIdentityException, followInto, type KubeClient, resources } from '#kubernetes/client'
import type { Clock, Log, Running } from '#lib'
import { currentObjects } from './current-objects.ts'
import type { NodePod } from './node-pods.ts'

/** Whether an exception of the pod's namespace names any one of its labels. The case of values does not matter. */
export function isExcepted(pod: NodePod, exceptions: Iterable<AzurePodIdentityException>): boolean {
  return [...exceptions]
    .filter(({ metadata }) => metadata.namespace === pod.namespace)
    .some(({ spec }) =>
      Object.entries(spec.podLabels ?? {}).some(
        ([key, value]) => pod.labels[key]?.toLowerCase() === value.toLowerCase(),
      ),
    )
}

export interface Exceptions extends Running {
  synced: Promise<void>
  /** Those of a namespace. Throws `ImdsRefusal` when they are not known. */
  of(namespace: string): Promise<readonly AzurePodIdentityException[]>
}

/** Those of the whole cluster: they are few and small, and a pod may come from any namespace. */
export function followExceptions({ kube, log, clock }: { kube: KubeClient; log: Log; clock: Clock }): Exceptions {
  const exceptions = new Map<string, AzurePodIdentityException>()
  const keep = (exception: AzurePodIdentityException) => exception
  const resource = resources.azurePodIdentityExceptions
  const following = followInto(exceptions, kube, resource, { log, clock, keep })
  return {
    synced: following.synced,
    stop: following.stop,
    of: (namespace) =>
      currentObjects({
        following,
        watched: () => [...exceptions.values()].filter(({ metadata }) => metadata.namespace === namespace),
        list: async () => (await kube.list(resource, { namespace })).items,
        what: 'exceptions',
      }),
  }
}
