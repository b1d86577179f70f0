import { KubeError } from '#kubernetes/client'
import { errorMessage } from '#lib'
import { backoffMs } from '#lib/async'
import { applyRestart } from './apply-restart.ts'
import { candidatesIn } from './candidates.ts'
import { type Evaluation, evaluate } from './evaluate.ts'
import { eventTexts } from './restart-events.ts'
import { backoff, type Progress, type Restarter, referenceOf, track } from './restarter.ts'
import { workloadKey } from './workload-kinds.ts'

/** Restarts what is due, oldest change first, as far as the budget lasts. */
export function dispatch(restarter: Restarter): void {
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
    restarter.decideSoon(ref.namespace)
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
  progress.nextTryAt = clock.elapsed() + backoffMs(progress.failures, backoff)
  metrics.restarted(candidate.ref.kind, 'failed')
  log.error({ ...candidate.ref, err: error }, `the workload could not be restarted: ${errorMessage(error)}`)
  const text = error instanceof KubeError ? error.serverMessage : errorMessage(error)
  await events.record(referenceOf(candidate), 'Warning', 'RestartFailed', eventTexts.failed(text))
}
