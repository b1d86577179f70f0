import { apiVersionOf, type KubeClient, type UntypedObject } from '#kubernetes/client'
import { timestamp } from '#lib'
import type { Candidate } from './candidates.ts'
import type { DueRestart } from './decide.ts'
import { restartedForAnnotation } from './restart-settings.ts'
import { workloadResources } from './workload-kinds.ts'
import { fieldManager } from './workload-state.ts'

/**
 * Rolls a workload out once more, by an annotation of its pod template that names what it is rolled out for: the same write
 * again changes nothing. A Rollout of Argo restarts its pods at a time instead. The uid keeps the write from making an object
 * that has been deleted.
 */
export async function applyRestart(
  kube: KubeClient,
  { ref, uid }: Candidate,
  { key, latest }: DueRestart,
  { now, signal }: { now: number; signal: AbortSignal },
): Promise<void> {
  const resource = workloadResources[ref.kind]
  // After the last change also by the clock of the node that wrote its time: otherwise it would not cover it.
  const restartAt = timestamp(Math.max(now, latest + 1000))
  const annotations = { [restartedForAnnotation]: key }
  const spec = ref.kind === 'Rollout' ? { restartAt } : { template: { metadata: { annotations } } }
  const object: UntypedObject = {
    apiVersion: apiVersionOf(resource),
    kind: ref.kind,
    metadata: { namespace: ref.namespace, name: ref.name, uid },
    spec,
  }
  await kube.apply(resource, object, { fieldManager, force: true, signal })
}
