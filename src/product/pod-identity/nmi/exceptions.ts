import { type AzurePodIdentityException, followInto, type KubeClient, resources } from '#kubernetes/client'
import type { Log, Running } from '#lib'
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

export interface Exceptions extends Running, Iterable<AzurePodIdentityException> {
  synced: Promise<void>
}

/** Those of the whole cluster: they are few and small, and a pod may come from any namespace. */
export function followExceptions({ kube, log }: { kube: KubeClient; log: Log }): Exceptions {
  const exceptions = new Map<string, AzurePodIdentityException>()
  const keep = (exception: AzurePodIdentityException) => exception
  const following = followInto(exceptions, kube, resources.azurePodIdentityExceptions, { log, keep })
  return { ...following, [Symbol.iterator]: () => exceptions.values() }
}
