import type { ObjectReference } from '#kubernetes/client'
import { errorMessage } from '#lib'
import { type Candidate, type Candidates, candidatesIn, type LoosePod } from './candidates.ts'
import { mayBeStale, staleSince } from './decide.ts'
import { dispatch } from './dispatch.ts'
import { evaluate } from './evaluate.ts'
import { describeWait, eventTexts } from './restart-events.ts'
import { backoff, type Pass, type Progress, type Restarter, referenceOf, track } from './restarter.ts'
import { workloadKey } from './workload-kinds.ts'

/** Time after which what waits is decided again, even if the watches report nothing. */
const decideAgainMs = 60_000

/** Decides about a namespace after this time, or earlier where that is due already. */
export function schedule(restarter: Restarter, namespace: string, inMs: number): void {
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
    next = await decideNamespace(restarter, namespace)
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

/** Decides about all workloads of a namespace. @returns in how many milliseconds the next pass is due, even if nothing changes */
async function decideNamespace(restarter: Restarter, namespace: string): Promise<number> {
  const { world, progress, clock } = restarter
  const candidates = await candidatesIn(world, namespace)
  const current = progress.get(namespace) ?? new Map<string, Progress>()
  progress.set(namespace, current)
  const since = new Map(candidates.workloads.map((one) => [one, staleSince(one) ?? Number.POSITIVE_INFINITY]))
  for (const candidate of candidates.workloads.toSorted((a, b) => (since.get(a) ?? 0) - (since.get(b) ?? 0))) {
    const key = workloadKey(candidate.ref)
    const next = await decideWorkload(restarter, candidate, current.get(key))
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
    evaluation.action === 'wait' ? Math.max((evaluation.untilMs ?? Number.POSITIVE_INFINITY) - now, 0) : decideAgainMs,
  )
  return current.size === 0 ? Number.POSITIVE_INFINITY : Math.min(decideAgainMs, ...waits)
}

/** Undefined for a workload without stale pods. */
async function decideWorkload(
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
  return isOver || now - evaluatedAt >= decideAgainMs
}

function fingerprintOf({ ref: _, ...candidate }: Candidate): string {
  const { uid, version, pods, syncs, mirrored } = candidate
  return JSON.stringify([uid, version, pods, syncs, [...mirrored]])
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
