import { type KubeClient, type KubeObject, type Resource, resources } from '#kubernetes/client'
import { systemClock } from '#lib'
import { type Candidate, type CandidateConfig, candidatesIn } from './candidates.ts'
import { classRecord, createClusterView, mountRecord, podRecord, syncRecord, workloadRecord } from './cluster-view.ts'
import { type Evaluation, evaluate } from './evaluate.ts'
import type { NamespaceIndex } from './namespace-index.ts'
import { isServed, type WorkloadKind, workloadResources } from './workload-kinds.ts'

export interface RestartPreview {
  kind: WorkloadKind
  namespace: string
  name: string
  /**
   * `restart`: due now, as far as the budget lasts; `wait`: for `reason`; `report`: its pods have to be deleted by hand;
   * `misconfigured`: `problems` has the reasons; `none`: nothing to do, because of `reason`.
   */
  action: 'restart' | 'wait' | 'report' | 'misconfigured' | 'none'
  reason: string
  pods: number
  stalePods: readonly string[]
  /** RFC 3339: of the first change; and when a wait ends, where that is known. */
  since?: string | undefined
  until?: string | undefined
  problems: readonly string[]
}

export interface PreviewOptions extends CandidateConfig {
  /** Undefined: all. */
  namespace: string | undefined
  minIntervalMs: number
  signal: AbortSignal
}

/** What the operator would decide now about every workload that asks for restarts. Changes nothing. */
export async function previewRestarts(kube: KubeClient, options: PreviewOptions): Promise<RestartPreview[]> {
  const { namespace, signal, minIntervalMs } = options
  const view = createClusterView()
  const load = async <T extends KubeObject, V>(
    resource: Resource<T>,
    index: NamespaceIndex<V>,
    recordOf: (object: T) => V | undefined,
    selectors: { metadataOnly?: boolean; fieldSelector?: string } = {},
  ) => {
    const { items } = await kube.list(resource, { ...selectors, namespace, signal })
    for (const object of items) {
      const record = recordOf(object)
      if (record !== undefined) index.set(object.metadata.namespace ?? '', object.metadata.name ?? '', record)
    }
  }
  for (const kind of Object.keys(workloadResources) as WorkloadKind[]) {
    const resource: Resource<KubeObject> = workloadResources[kind]
    if (await isServed(kube, resource, signal))
      await load(resource, view.workloads[kind], workloadRecord, { metadataOnly: true })
  }
  if (await isServed(kube, resources.secretSyncs, signal)) await load(resources.secretSyncs, view.syncs, syncRecord)
  await load(resources.secretProviderClasses, view.classes, classRecord)
  await load(resources.secretProviderClassPodStatuses, view.mounts, mountRecord)
  const fieldSelector = 'status.phase!=Succeeded,status.phase!=Failed'
  await load(resources.pods as Resource<KubeObject>, view.pods, podRecord, { metadataOnly: true, fieldSelector })

  const world = { kube, view, config: options, replicaSets: new Map(), signal, clock: systemClock, minIntervalMs }
  const previews: RestartPreview[] = []
  for (const name of [...view.pods.namespaces()].toSorted()) {
    const { workloads } = await candidatesIn(world, name)
    for (const candidate of workloads) {
      const { problems } = candidate.settings
      const evaluation: Evaluation =
        problems.length > 0 ? { action: 'none', reason: 'fresh' } : await evaluate(world, candidate)
      previews.push(previewOf(candidate, evaluation))
    }
  }
  return previews
}

function previewOf({ ref, pods, settings }: Candidate, evaluation: Evaluation): RestartPreview {
  const { problems } = settings
  const common = { ...ref, pods: pods.length, problems }
  if (problems.length > 0) return { ...common, action: 'misconfigured', reason: 'annotations', stalePods: [] }
  const { action } = evaluation
  if (action === 'none') return { ...common, action, reason: evaluation.reason, stalePods: [] }
  const { stalePods, since } = evaluation
  const until = action === 'wait' ? evaluation.untilMs : undefined
  return {
    ...common,
    action,
    reason: action === 'wait' ? evaluation.reason : action === 'report' ? 'OnDelete' : 'stale',
    stalePods,
    since: timeText(since),
    until: timeText(until),
  }
}

function timeText(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString()
}
