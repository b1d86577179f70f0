import { ifFound, type Pod, resources, type UntypedObject } from '#kubernetes/client'
import type { Clock } from '#lib'
import { type Candidate, type CandidatePod, type CandidateWorld, mountView } from './candidates.ts'
import { mountRecord, timeOf } from './cluster-view.ts'
import { type Decision, decide, mayBeStale, type RestartInput } from './decide.ts'
import { workloadResources } from './workload-kinds.ts'
import { workloadState } from './workload-state.ts'

export interface EvaluationWorld extends CandidateWorld {
  clock: Clock
  minIntervalMs: number
}

/** `none` without asking the API server when no pod can be stale. */
export type Evaluation = Exclude<Decision, { action: 'inspect' }> | { action: 'none'; reason: 'gone' }

/**
 * What is to be done about one workload now. What decides is read from the API server: the workload, and a pod that the
 * watches call stale with its status objects, because watches may be late.
 *
 * @param options.inspectPods false: a restart is decided without inspecting pods, for a caller that decides again before it acts.
 */
export async function evaluate(
  world: EvaluationWorld,
  candidate: Candidate,
  { inspectPods = true }: { inspectPods?: boolean } = {},
): Promise<Evaluation> {
  if (!mayBeStale(candidate)) return decideFresh(candidate)
  const object = await readWorkload(world, candidate)
  if (object === undefined) return { action: 'none', reason: 'gone' }
  const { ref, settings, agreeTimeoutMs } = candidate
  let pods: readonly CandidatePod[] = candidate.pods
  for (;;) {
    const input: RestartInput = {
      now: world.clock.now(),
      workload: workloadState(ref.kind, object),
      pods,
      syncs: candidate.syncs,
      mirrored: candidate.mirrored,
      agreeTimeoutMs,
      minIntervalMs: settings.minIntervalMs ?? world.minIntervalMs,
      windows: settings.windows,
    }
    const decision = decide(input)
    if (decision.action !== 'inspect') return decision
    const { pod, replacesPods, ...due } = decision
    if (!inspectPods && replacesPods) return { ...due, action: 'restart' }
    pods = await inspected(world, candidate, pods, pod)
  }
}

/** Why there is nothing to do: no workload is needed for that. */
function decideFresh(candidate: Candidate): Evaluation {
  const workload = {
    restartedFor: undefined,
    restartedAt: undefined,
    paused: false,
    rollingOut: false,
    replacesPods: true,
  }
  const decision = decide({ ...candidate, now: 0, workload, minIntervalMs: 0, windows: [] })
  return decision.action === 'none' ? decision : { action: 'none', reason: 'fresh' }
}

async function readWorkload(
  { kube, signal }: EvaluationWorld,
  { ref, uid }: Candidate,
): Promise<UntypedObject | undefined> {
  const object = await ifFound<UntypedObject>(kube.get(workloadResources[ref.kind], ref, { signal }))
  return object?.metadata.uid === uid && object.metadata.deletionTimestamp === undefined ? object : undefined
}

/** The pods with one of them as it is now, or without it when it is gone. */
async function inspected(
  world: EvaluationWorld,
  { ref, settings }: Candidate,
  pods: readonly CandidatePod[],
  name: string,
): Promise<readonly CandidatePod[]> {
  const before = pods.find((pod) => pod.name === name)
  const object = before && (await readPod(world, ref.namespace, before))
  if (before === undefined || object === undefined) return pods.filter((pod) => pod.name !== name)
  const mounts = await readMounts(world, ref.namespace, before)
  const containersStartedAt = startOf(object)
  const record = world.view.pods.get(ref.namespace, name)
  if (record?.uid === before.uid) record.containersStartedAt = containersStartedAt
  const counted = mounts.filter(({ className }) => settings.counts(className))
  const now = { ...before, mounts: counted, containersStartedAt, inspected: true }
  return pods.map((pod) => (pod.name === name ? now : pod))
}

async function readPod(
  { kube, signal }: EvaluationWorld,
  namespace: string,
  { name, uid }: CandidatePod,
): Promise<Pod | undefined> {
  const pod = await ifFound(kube.get(resources.pods, { namespace, name }, { signal }))
  const isOver = pod?.status?.phase === 'Succeeded' || pod?.status?.phase === 'Failed'
  return pod?.metadata.uid === uid && pod.metadata.deletionTimestamp === undefined && !isOver ? pod : undefined
}

async function readMounts({ kube, config, signal }: EvaluationWorld, namespace: string, pod: CandidatePod) {
  const objects = await Promise.all(
    pod.statusNames.map((name) =>
      ifFound(kube.get(resources.secretProviderClassPodStatuses, { namespace, name }, { signal })),
    ),
  )
  return objects.flatMap((object) => {
    const record = object && mountRecord(object)
    return record === undefined || record.podUid !== pod.uid ? [] : [mountView(record, config)]
  })
}

/**
 * When the first of a pod's containers started that may hold a value from its start: those that run, and init containers
 * that have a volume, as what they wrote from it is not written again when another container restarts. One that waits reads
 * again when it starts.
 */
export function startOf({ spec, status }: Pod): number {
  const withVolumes = new Set(spec.volumes?.filter(({ csi }) => csi !== undefined).map(({ name }) => name))
  const inits = spec.initContainers?.filter(
    ({ restartPolicy, volumeMounts }) =>
      restartPolicy === 'Always' || volumeMounts?.some(({ name }) => withVolumes.has(name)),
  )
  const names = new Set([...spec.containers, ...(inits ?? [])].map(({ name }) => name))
  const states = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])]
  const starts = states.flatMap(({ name, state }) => {
    if (!names.has(name)) return []
    return timeOf(state?.running?.startedAt ?? state?.terminated?.startedAt) ?? []
  })
  return Math.min(Number.POSITIVE_INFINITY, ...starts)
}
