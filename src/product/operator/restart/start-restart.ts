import {
  createEventRecorder,
  type EventRecorder,
  type Following,
  follow,
  type KubeClient,
  KubeError,
  type KubeObject,
  type ObjectReference,
  type Resource,
  resources,
} from '#kubernetes/client'
import { type Clock, errorMessage, type Log, type Running, systemClock } from '#lib'
import type { OperatorMetrics } from '../operator-metrics.ts'
import { applyRestart } from './apply-restart.ts'
import { type Candidate, type CandidateConfig, type Candidates, candidatesIn, type LoosePod } from './candidates.ts'
import {
  type ClusterView,
  classRecord,
  createClusterView,
  mountRecord,
  podRecord,
  syncRecord,
  workloadRecord,
} from './cluster-view.ts'
import { mayBeStale, staleSince } from './decide.ts'
import { type Evaluation, type EvaluationWorld, evaluate } from './evaluate.ts'
import type { NamespaceIndex } from './namespace-index.ts'
import { createRestartBudget, type RestartBudget } from './restart-budget.ts'
import { describeWait, eventTexts } from './restart-events.ts'
import { secretSyncs } from './secret-syncs.ts'
import { isServed, type WorkloadKind, workloadKey, workloadResources } from './workload-kinds.ts'

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

const defaultGatherMs = 2000
/** What waits for something is decided again this often, without any change. */
const lookAgainMs = 60_000
/** How often it is asked whether a kind has come that the cluster did not have. */
const kindsMs = 300_000
const backoff = { initialMs: 5000, maxMs: 300_000 }

/** A workload with stale pods. */
interface Progress {
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
interface Pass {
  cancel(): void
  /** By `clock.elapsed()`. */
  dueAt: number
  running: boolean
}

interface Restarter {
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
  cancelDispatch(): void
  cancelKinds(): void
  /** Whether all watches have listed: before, a pod may look as if it had no workload. */
  synced: boolean
}

/** What the leader does: restarts workloads whose pods started with older versions than they have now. `stop` ends all work at once. */
export function startRestart(config: RestartConfig, restartWorld: RestartWorld): Running {
  const { kube, metrics, log, clock = systemClock, gatherMs = defaultGatherMs } = restartWorld
  const stopping = new AbortController()
  const view = createClusterView()
  const events = createEventRecorder({ client: kube, log, component: 'keymount-operator', clock, quietMs: 3_600_000 })
  const restarter: Restarter = {
    config,
    kube,
    clock,
    log,
    metrics,
    events,
    view,
    world: {
      kube,
      view,
      config,
      replicaSets: new Map(),
      signal: stopping.signal,
      clock,
      minIntervalMs: config.minIntervalMs,
    },
    budget: createRestartBudget({ perMinute: config.maxPerMinute, burst: config.burst, clock }),
    gatherMs,
    passes: new Map(),
    progress: new Map(),
    work: new Set(),
    stopping,
    follows: [],
    cancelDispatch: () => {},
    cancelKinds: () => {},
    synced: false,
  }
  metrics.state(() => stateOf(restarter))
  track(restarter, followAll(restarter))
  return {
    async stop() {
      restarter.cancelDispatch()
      restarter.cancelKinds()
      for (const pass of restarter.passes.values()) pass.cancel()
      stopping.abort(new Error('the operator stops'))
      await Promise.all(restarter.follows.map((one) => one.stop()))
      await Promise.all(restarter.work)
    },
  }
}

function track({ work }: Restarter, task: Promise<void>): void {
  const tracked = task.catch(() => undefined).finally(() => work.delete(tracked))
  work.add(tracked)
}

const wholeCluster = [undefined] as const
const pods = resources.pods as Resource<KubeObject>

async function followAll(restarter: Restarter): Promise<void> {
  const { config, view, follows } = restarter
  const namespaces = config.namespaces.length === 0 ? wholeCluster : config.namespaces
  for (const namespace of namespaces) {
    followIndex(restarter, resources.secretProviderClasses, { namespace }, view.classes, classRecord)
    followIndex(restarter, resources.secretProviderClassPodStatuses, { namespace }, view.mounts, mountRecord)
    // A pod that has finished leaves such a watch as if it were deleted.
    const fieldSelector = 'status.phase!=Succeeded,status.phase!=Failed'
    followIndex(restarter, pods, { namespace, metadataOnly: true, fieldSelector }, view.pods, podRecord)
  }
  await followOptionalKinds(restarter, namespaces, new Set())
  await Promise.all(follows.map(({ synced }) => synced))
  restarter.synced = true
  for (const namespace of view.mounts.namespaces()) schedule(restarter, namespace, 0)
  for (const namespace of view.syncs.namespaces()) schedule(restarter, namespace, 0)
}

/** Kinds that a cluster need not have, as soon as it has them. */
async function followOptionalKinds(
  restarter: Restarter,
  namespaces: readonly (string | undefined)[],
  followed: Set<string>,
): Promise<void> {
  const { kube, view, stopping, clock, log } = restarter
  const optional: [Resource<KubeObject>, (namespace: string | undefined) => void][] = [
    ...(Object.keys(workloadResources) as WorkloadKind[]).map((kind): [Resource<KubeObject>, typeof followSyncs] => {
      const resource: Resource<KubeObject> = workloadResources[kind]
      const followIn = (namespace: string | undefined) =>
        followIndex(restarter, resource, { namespace, metadataOnly: true }, view.workloads[kind], workloadRecord)
      return [resource, followIn]
    }),
    [secretSyncs, followSyncs],
  ]
  function followSyncs(namespace: string | undefined): void {
    followIndex(restarter, secretSyncs, { namespace }, view.syncs, syncRecord)
  }
  let again = kindsMs
  for (const [resource, followIn] of optional) {
    if (followed.has(resource.plural)) continue
    try {
      if (!(await isServed(kube, resource, stopping.signal))) continue
      followed.add(resource.plural)
      for (const namespace of namespaces) followIn(namespace)
    } catch (error) {
      if (stopping.signal.aborted) return
      again = backoff.initialMs
      log.warn({ err: error }, `cannot find out whether the cluster has ${resource.plural}`)
    }
  }
  if (followed.size === optional.length) return
  const ask = () => track(restarter, followOptionalKinds(restarter, namespaces, followed))
  restarter.cancelKinds = clock.after(again, ask)
}

interface FollowSelectors {
  namespace: string | undefined
  metadataOnly?: boolean
  fieldSelector?: string
}

/** Follows a collection into an index, and looks at the namespaces in which something that counts has changed. */
function followIndex<T extends KubeObject, V>(
  restarter: Restarter,
  resource: Resource<T>,
  selectors: FollowSelectors,
  index: NamespaceIndex<V>,
  recordOf: (object: T) => V | undefined,
): void {
  const { kube, clock, log } = restarter
  const nameOf = ({ metadata }: T) => [metadata.namespace ?? '', metadata.name ?? ''] as const
  const store = (object: T) => {
    const [namespace, name] = nameOf(object)
    const [before, record] = [index.get(namespace, name), recordOf(object)]
    if (record === undefined) index.delete(namespace, name)
    else index.set(namespace, name, withLookup(before, record))
    return !isSame(before, record)
  }
  restarter.follows.push(
    follow(
      kube,
      resource,
      { ...selectors, clock, log },
      {
        onList(objects) {
          const before = selectors.namespace === undefined ? [...index.namespaces()] : [selectors.namespace]
          index.clear(selectors.namespace)
          for (const object of objects) store(object)
          for (const namespace of new Set([...before, ...objects.map((object) => nameOf(object)[0])]))
            schedule(restarter, namespace, restarter.gatherMs)
        },
        onChange(type, object) {
          const [namespace, name] = nameOf(object)
          const changed = type === 'DELETED' ? index.delete(namespace, name) !== undefined : store(object)
          if (changed) schedule(restarter, namespace, restarter.gatherMs)
        },
      },
    ),
  )
}

/** A lookup of a pod's containers outlives changes of its metadata. */
function withLookup<V>(before: V | undefined, record: V): V {
  const [old, next] = [before, record] as [
    { uid?: string; containersStartedAt?: number } | undefined,
    { uid?: string; containersStartedAt?: number },
  ]
  if (old?.containersStartedAt !== undefined && old.uid === next.uid) next.containersStartedAt = old.containersStartedAt
  return record
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** Looks at a namespace after this time, or earlier where that is due already. */
function schedule(restarter: Restarter, namespace: string, inMs: number): void {
  const { passes, clock, stopping, synced } = restarter
  if (stopping.signal.aborted || !synced) return
  const dueAt = clock.elapsed() + inMs
  const pass = passes.get(namespace) ?? { cancel: () => {}, dueAt: Number.POSITIVE_INFINITY, running: false }
  passes.set(namespace, pass)
  if (pass.dueAt <= dueAt) return
  pass.dueAt = dueAt
  if (pass.running) return
  pass.cancel()
  pass.cancel = clock.after(inMs, () => track(restarter, runPass(restarter, namespace, pass)))
}

async function runPass(restarter: Restarter, namespace: string, pass: Pass): Promise<void> {
  const { log, clock, stopping } = restarter
  pass.running = true
  pass.dueAt = Number.POSITIVE_INFINITY
  let next: number
  try {
    next = await lookAt(restarter, namespace)
  } catch (error) {
    if (stopping.signal.aborted) return
    log.warn({ err: error, namespace }, `restarts in the namespace could not be decided: ${errorMessage(error)}`)
    next = backoff.initialMs
  }
  pass.running = false
  const waiting = Math.min(next, Math.max(pass.dueAt - clock.elapsed(), 0))
  pass.dueAt = Number.POSITIVE_INFINITY
  if (waiting < Number.POSITIVE_INFINITY) schedule(restarter, namespace, waiting)
  else restarter.passes.delete(namespace)
}

/** Decides about all workloads of a namespace. In how many milliseconds the next pass is due, whatever changes. */
async function lookAt(restarter: Restarter, namespace: string): Promise<number> {
  const { world, progress, clock } = restarter
  const candidates = await candidatesIn(world, namespace)
  const current = progress.get(namespace) ?? new Map<string, Progress>()
  progress.set(namespace, current)
  const since = new Map(candidates.workloads.map((one) => [one, staleSince(one) ?? Number.POSITIVE_INFINITY]))
  for (const candidate of candidates.workloads.toSorted((a, b) => (since.get(a) ?? 0) - (since.get(b) ?? 0))) {
    const key = workloadKey(candidate.ref)
    const next = await lookAtWorkload(restarter, candidate, current.get(key))
    // A restart that began meanwhile knows more.
    if (current.get(key)?.busy) continue
    if (next === undefined) current.delete(key)
    else current.set(key, next)
    // The first need not wait for the last.
    if (next?.evaluation.action === 'restart') dispatch(restarter)
  }
  const present = new Set(candidates.workloads.map(({ ref }) => workloadKey(ref)))
  for (const [key, one] of current) if (!present.has(key) && !one.busy) current.delete(key)
  if (current.size === 0) progress.delete(namespace)
  reportLoose(restarter, namespace, candidates)
  reportSyncs(restarter, namespace)
  dispatch(restarter)
  const now = clock.now()
  const waits = [...current.values()].map(({ evaluation }) =>
    evaluation.action === 'wait' ? Math.max((evaluation.untilMs ?? Number.POSITIVE_INFINITY) - now, 0) : lookAgainMs,
  )
  return current.size === 0 ? Number.POSITIVE_INFINITY : Math.min(lookAgainMs, ...waits)
}

/** Undefined for a workload without stale pods. */
async function lookAtWorkload(
  restarter: Restarter,
  candidate: Candidate,
  before: Progress | undefined,
): Promise<Progress | undefined> {
  const { clock, world } = restarter
  if (before?.busy) return before
  if (!mayBeStale(candidate)) {
    await reportOlderDriver(restarter, candidate)
    return undefined
  }
  const { problems } = candidate.settings
  if (problems.length > 0) {
    await restarter.events.record(
      referenceOf(candidate),
      'Warning',
      'RestartMisconfigured',
      eventTexts.misconfigured(problems),
    )
    return undefined
  }
  const fingerprint = fingerprintOf(candidate)
  const now = clock.elapsed()
  if (before !== undefined && before.fingerprint === fingerprint && !isDue(before, now, clock.now()))
    return { ...before, candidate }
  const evaluation = await evaluate(world, candidate, { inspectPods: restarter.config.dryRun })
  if (evaluation.action === 'none' && evaluation.reason !== 'triggered') return undefined
  const progress: Progress = {
    candidate,
    fingerprint,
    evaluation,
    evaluatedAt: now,
    firstSeenAt: before?.firstSeenAt ?? now,
    busy: false,
    failures: before?.failures ?? 0,
    nextTryAt: before?.nextTryAt ?? now,
  }
  if (before === undefined || answerOf(before) !== answerOf(progress)) await report(restarter, progress)
  return progress
}

/** Changes when there is something to report. */
function answerOf({ evaluation }: Progress): string {
  const { action } = evaluation
  if (action === 'none') return action
  return JSON.stringify([action, evaluation.key, action === 'wait' ? [evaluation.reason, evaluation.untilMs] : ''])
}

function isDue({ evaluation, evaluatedAt }: Progress, now: number, wallNow: number): boolean {
  const isOver = evaluation.action === 'wait' && evaluation.untilMs !== undefined && wallNow >= evaluation.untilMs
  return isOver || now - evaluatedAt >= lookAgainMs
}

function fingerprintOf({ ref: _, ...candidate }: Candidate): string {
  const { uid, version, pods, syncs, mirrored } = candidate
  return JSON.stringify([uid, version, pods, syncs, [...mirrored]])
}

function referenceOf({ ref, uid }: Candidate): ObjectReference {
  const { group, version } = workloadResources[ref.kind]
  return { apiVersion: `${group}/${version}`, kind: ref.kind, namespace: ref.namespace, name: ref.name, uid }
}

/** Events of what was decided, apart from restarts themselves. */
async function report(restarter: Restarter, { candidate, evaluation }: Progress): Promise<void> {
  const { events, config, metrics } = restarter
  const about = referenceOf(candidate)
  if (evaluation.action === 'wait') {
    const text = describeWait(evaluation)
    if (text !== undefined) await events.record(about, 'Normal', 'RestartPending', text)
  }
  if (evaluation.action === 'report') {
    metrics.restarted(candidate.ref.kind, 'needs-a-user')
    await events.record(about, 'Warning', 'RestartNeeded', eventTexts.onDelete(evaluation))
  }
  if (evaluation.action === 'restart' && config.dryRun) {
    metrics.restarted(candidate.ref.kind, 'dry-run')
    await events.record(about, 'Normal', 'WouldRestart', eventTexts.wouldRestart(evaluation))
  }
}

async function reportOlderDriver({ events, config }: Restarter, candidate: Candidate): Promise<void> {
  const mounts = candidate.pods.flatMap((pod) => pod.mounts)
  if (config.guess || candidate.syncs.length > 0 || mounts.length === 0) return
  if (mounts.some(({ startedWith }) => startedWith !== undefined)) return
  await events.record(referenceOf(candidate), 'Warning', 'RestartNotPossible', eventTexts.olderDriver)
}

/** Pods that no new template replaces are reported to their owners. */
function reportLoose(restarter: Restarter, namespace: string, { loose }: Candidates): void {
  for (const one of loose) {
    if (!mayBeStale({ pods: [one.pod], syncs: [], mirrored: new Set() })) continue
    track(
      restarter,
      restarter.events.record(looseReference(namespace, one), 'Warning', 'RestartNeeded', eventTexts.loose(one.name)),
    )
  }
}

function looseReference(namespace: string, { name, record }: LoosePod): ObjectReference {
  const { owner, uid } = record
  if (owner?.kind === 'Job') return { apiVersion: 'batch/v1', kind: 'Job', namespace, name: owner.name, uid: owner.uid }
  return { apiVersion: 'v1', kind: 'Pod', namespace, name, uid }
}

function reportSyncs(restarter: Restarter, namespace: string): void {
  for (const [name, { unusable }] of restarter.view.syncs.of(namespace)) {
    if (unusable.length === 0) continue
    const about = { apiVersion: 'secret-sync.x-k8s.io/v1alpha1', kind: 'SecretSync', namespace, name }
    track(restarter, restarter.events.record(about, 'Warning', 'RestartMisconfigured', eventTexts.targets(unusable)))
  }
}

/** Restarts what is due, oldest change first, as far as the budget lasts. */
function dispatch(restarter: Restarter): void {
  const { budget, clock, config, stopping } = restarter
  restarter.cancelDispatch()
  if (stopping.signal.aborted || config.dryRun) return
  const now = clock.elapsed()
  const waiting: Progress[] = []
  for (const one of ready(restarter)) {
    if (one.nextTryAt > now || !budget.take(one.candidate.ref.namespace)) waiting.push(one)
    else track(restarter, restart(restarter, one))
  }
  if (waiting.length === 0) return
  const namespaces = new Set(waiting.map(({ candidate }) => candidate.ref.namespace))
  const nextTry = Math.min(...waiting.map(({ nextTryAt }) => nextTryAt)) - now
  restarter.cancelDispatch = clock.after(Math.max(budget.waitMs(namespaces), nextTry, 1), () => dispatch(restarter))
}

function ready({ progress }: Restarter): Progress[] {
  const all = [...progress.values()].flatMap((byKey) => [...byKey.values()])
  const sinceOf = ({ evaluation }: Progress) => (evaluation.action === 'restart' ? evaluation.since : 0)
  return all
    .filter(({ evaluation, busy }) => evaluation.action === 'restart' && !busy)
    .toSorted((a, b) => sinceOf(a) - sinceOf(b))
}

/** One restart: decided again first, as the workload may have waited for long. */
async function restart(restarter: Restarter, progress: Progress): Promise<void> {
  const { world, budget, clock, stopping } = restarter
  const { ref } = progress.candidate
  progress.busy = true
  let written = false
  try {
    const { workloads } = await candidatesIn(world, ref.namespace)
    const candidate = workloads.find((one) => workloadKey(one.ref) === workloadKey(ref))
    const evaluation: Evaluation =
      candidate === undefined ? { action: 'none', reason: 'gone' } : await evaluate(world, candidate)
    progress.evaluation = evaluation
    if (candidate !== undefined && evaluation.action === 'restart') {
      written = true
      await applyRestart(restarter.kube, candidate, evaluation, { now: clock.now(), signal: stopping.signal })
      await succeeded(restarter, progress, evaluation)
    }
  } catch (error) {
    if (!stopping.signal.aborted) await failed(restarter, progress, error)
  } finally {
    if (!written) budget.giveBack(ref.namespace)
    progress.busy = false
    // Decided again in the next pass.
    progress.fingerprint = ''
    schedule(restarter, ref.namespace, restarter.gatherMs)
  }
}

async function succeeded(
  { metrics, events, clock, log }: Restarter,
  progress: Progress,
  evaluation: Extract<Evaluation, { action: 'restart' }>,
): Promise<void> {
  const { candidate } = progress
  const { ref, guessed } = candidate
  progress.evaluation = { action: 'none', reason: 'triggered' }
  progress.failures = 0
  metrics.restarted(ref.kind, 'restarted')
  metrics.decided((clock.elapsed() - progress.firstSeenAt) / 1000)
  log.info({ ...ref, key: evaluation.key, stalePods: evaluation.stalePods.length }, 'restarted')
  const about = referenceOf(candidate)
  await events.record(about, 'Normal', 'Restarted', eventTexts.restarted(evaluation, guessed))
  if (!evaluation.agreed)
    await events.record(about, 'Warning', 'RestartWithoutAgreement', eventTexts.withoutAgreement(evaluation))
}

async function failed({ metrics, events, clock, log }: Restarter, progress: Progress, error: unknown): Promise<void> {
  const { candidate } = progress
  progress.failures++
  progress.nextTryAt =
    clock.elapsed() + Math.min(backoff.initialMs * 2 ** Math.min(progress.failures - 1, 10), backoff.maxMs)
  metrics.restarted(candidate.ref.kind, 'failed')
  log.error({ ...candidate.ref, err: error }, `the workload could not be restarted: ${errorMessage(error)}`)
  const text = error instanceof KubeError ? error.serverMessage : errorMessage(error)
  await events.record(referenceOf(candidate), 'Warning', 'RestartFailed', eventTexts.failed(text))
}

function stateOf({ progress }: Restarter): { pending: Map<string, number>; stalePods: number } {
  const pending = new Map<string, number>()
  let stalePods = 0
  for (const { evaluation, failures } of [...progress.values()].flatMap((byKey) => [...byKey.values()])) {
    if (evaluation.action !== 'none') stalePods += evaluation.stalePods.length
    const reason = reasonOf(evaluation, failures)
    if (reason !== undefined) pending.set(reason, (pending.get(reason) ?? 0) + 1)
  }
  return { pending, stalePods }
}

function reasonOf(evaluation: Evaluation, failures: number): string | undefined {
  if (evaluation.action === 'wait') return evaluation.reason
  if (evaluation.action === 'restart') return failures > 0 ? 'failed' : 'budget'
  return evaluation.action === 'none' && evaluation.reason === 'triggered' ? 'triggered' : undefined
}
