import { createEventRecorder } from '#kubernetes/client'
import { type Running, systemClock } from '#lib'
import { createClusterView } from './cluster-view.ts'
import type { Evaluation } from './evaluate.ts'
import { followAll } from './follow-cluster.ts'
import { schedule } from './passes.ts'
import { createRestartBudget } from './restart-budget.ts'
import { type RestartConfig, type Restarter, type RestartWorld, track } from './restarter.ts'

const defaultGatherMs = 2000

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
    decideSoon: (namespace) => schedule(restarter, namespace, gatherMs),
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
