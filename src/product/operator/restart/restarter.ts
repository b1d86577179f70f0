import type { EventRecorder, Following, KubeClient, ObjectReference } from '#kubernetes/client'
import type { Clock, Log } from '#lib'
import type { OperatorMetrics } from '../operator-metrics.ts'
import type { Candidate, CandidateConfig } from './candidates.ts'
import type { ClusterView } from './cluster-view.ts'
import type { Evaluation, EvaluationWorld } from './evaluate.ts'
import type { RestartBudget } from './restart-budget.ts'
import { workloadResources } from './workload-kinds.ts'

export interface RestartConfig extends CandidateConfig {
  /** Empty: all. */
  namespaces: readonly string[]
  /** Restarts in the whole cluster. A namespace gets at most half of both. */
  maxPerMinute: number
  burst: number
  /** Between two restarts of a workload that does not have its own. */
  minIntervalMs: number
  /** Report, and restart nothing. */
  dryRun: boolean
}

export interface RestartWorld {
  kube: KubeClient
  metrics: OperatorMetrics
  log: Log
  clock?: Clock | undefined
  /** Changes of a namespace within this time are one decision for each workload. Default 2000. */
  gatherMs?: number | undefined
}

/** Waits after a failure. */
export const backoff = { initialMs: 5000, maxMs: 300_000 }

/** A workload with stale pods. */
export interface Progress {
  candidate: Candidate
  /** Of what the watches have: the same, and nothing needs to be read again. */
  fingerprint: string
  evaluation: Evaluation
  /** By `clock.elapsed()`. */
  evaluatedAt: number
  firstSeenAt: number
  /** A restart of it is being written. */
  busy: boolean
  failures: number
  /** Not before, by `clock.elapsed()`, after a failure. */
  nextTryAt: number
}

/** The next pass over a namespace. */
export interface Pass {
  cancel(): void
  /** By `clock.elapsed()`. */
  dueAt: number
  running: boolean
}

/** What the parts of the operator that restarts share. */
export interface Restarter {
  readonly config: RestartConfig
  readonly kube: KubeClient
  readonly clock: Clock
  readonly log: Log
  readonly metrics: OperatorMetrics
  readonly events: EventRecorder
  readonly view: ClusterView
  readonly world: EvaluationWorld
  readonly budget: RestartBudget
  readonly gatherMs: number
  /** By namespace. */
  readonly passes: Map<string, Pass>
  /** By namespace, then by workload. */
  readonly progress: Map<string, Map<string, Progress>>
  /** Passes and restarts that are under way. */
  readonly work: Set<Promise<void>>
  readonly stopping: AbortController
  readonly follows: Following[]
  /** Decides about a namespace soon. */
  decideSoon(namespace: string): void
  cancelDispatch(): void
  cancelKinds(): void
  /** Whether all watches have listed: before, a pod may look as if it had no workload. */
  synced: boolean
}

/** Has `stop` wait for a task. A task reports its failures itself. */
export function track({ work }: Restarter, task: Promise<void>): void {
  const tracked = task.catch(() => undefined).finally(() => work.delete(tracked))
  work.add(tracked)
}

/** The workload, for an event. */
export function referenceOf({ ref, uid }: Candidate): ObjectReference {
  const { group, version } = workloadResources[ref.kind]
  return { apiVersion: `${group}/${version}`, kind: ref.kind, namespace: ref.namespace, name: ref.name, uid }
}
