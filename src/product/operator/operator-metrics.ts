import { counter, createMetrics, gauge, histogram, type MetricTable } from '#lib'

export const operatorMetrics = {
  restarts: counter('restart_total', 'Restarts of workloads, and those that failed or were only reported', {
    kind: 'of the workload',
    result: '`restarted`, `dry-run`, `needs-a-user` (OnDelete) or `failed`',
  }),
  pending: gauge('restart_pending', 'Workloads whose pods started with older versions than they have now', {
    reason:
      'what they wait for: `agreement`, `secret`, `again`, `paused`, `rollout`, `min-interval`, `window`, `budget`, `triggered` (the rollout is under way) or `failed`',
  }),
  stalePods: gauge('restart_stale_pods', 'Pods that started with older versions than they have now'),
  decision: histogram(
    'restart_decision_seconds',
    'Time from the first view of a change to the restart',
    [1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600],
  ),
} as const satisfies MetricTable

export type RestartResult = 'restarted' | 'dry-run' | 'needs-a-user' | 'failed'

export interface OperatorMetrics {
  restarted(kind: string, result: RestartResult): void
  decided(seconds: number): void
  /** Called at every scrape. */
  state(read: () => { pending: ReadonlyMap<string, number>; stalePods: number }): void
  text(): string
}

export function createOperatorMetrics(): OperatorMetrics {
  const { series, beforeScrape, text } = createMetrics(operatorMetrics)
  return {
    restarted: (kind, result) => series.restarts.add({ kind, result }),
    decided: (seconds) => series.decision.observe(seconds),
    state: (read) =>
      beforeScrape(() => {
        const { pending, stalePods } = read()
        series.pending.clear()
        for (const [reason, count] of pending) series.pending.set(count, { reason })
        series.stalePods.set(stalePods)
      }),
    text,
  }
}
