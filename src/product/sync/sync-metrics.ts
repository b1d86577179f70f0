import { counter, createMetrics, gauge, histogram, type MetricTable } from '#lib'

const maxSyncs = 5000

export const syncMetrics = {
  reconciles: counter('secretsync_reconcile_total', 'Checks of SecretSyncs by result', {
    result: '`success` or `failure`',
    reason: 'of the failure, as in the conditions, or empty',
  }),
  upstreamReconciles: counter(
    'secrets_store_sync_controller_reconcile_total',
    "Checks of SecretSyncs, under upstream's name",
  ),
  upstreamErrors: counter(
    'secrets_store_sync_controller_reconcile_errors_total',
    "Failed checks of SecretSyncs, under upstream's name",
  ),
  seconds: histogram(
    'secretsync_reconcile_duration_seconds',
    'Duration of a check in seconds',
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  ),
  ready: gauge(
    'secretsync_ready',
    `Whether a SecretSync is Ready; for the first ${maxSyncs}, of the others their number is under the name "others"`,
    { namespace: 'of the SecretSync', name: 'of the SecretSync' },
  ),
  stale: gauge(
    'secretsync_stale',
    'Secrets of SecretSyncs with values from before an outage, or of a fallback vault; a namespace without any has no series',
    { namespace: 'of the SecretSyncs' },
  ),
  oldestCheck: gauge('secretsync_last_check_timestamp_seconds', 'Last check of the SecretSync that waits longest'),
  reads: counter('secretsync_provider_reads_total', 'Requests to providers'),
} as const satisfies MetricTable

export interface SyncMetrics {
  reconciled(result: 'success' | 'failure', reason: string, durationMs: number): void
  read(): void
  /** Called at every scrape. */
  state(read: () => SyncState): void
  text(): string
}

export interface SyncState {
  syncs: readonly { namespace: string; name: string; ready: boolean; stale: boolean }[]
  /** Milliseconds since the epoch; undefined before the first check. */
  oldestCheckMs: number | undefined
}

export function createSyncMetrics(): SyncMetrics {
  const { series, beforeScrape, text } = createMetrics(syncMetrics)
  // Both are there from the start, as upstream's are.
  series.upstreamReconciles.add(undefined, 0)
  series.upstreamErrors.add(undefined, 0)
  return {
    reconciled(result, reason, durationMs) {
      series.reconciles.add({ result, reason })
      series.upstreamReconciles.add()
      if (result === 'failure') series.upstreamErrors.add()
      series.seconds.observe(durationMs / 1000)
    },
    read: () => series.reads.add(),
    state: (read) =>
      beforeScrape(() => {
        const { syncs, oldestCheckMs } = read()
        series.ready.clear()
        series.stale.clear()
        for (const [namespace, some] of Map.groupBy(
          syncs.filter(({ stale }) => stale).slice(0, maxSyncs),
          (sync) => sync.namespace,
        ))
          series.stale.set(some.length, { namespace })
        for (const { namespace, name, ready } of syncs.slice(0, maxSyncs))
          series.ready.set(Number(ready), { namespace, name })
        const others = syncs.slice(maxSyncs)
        if (others.length > 0)
          series.ready.set(others.filter(({ ready }) => ready).length, { namespace: '', name: 'others' })
        if (oldestCheckMs !== undefined) series.oldestCheck.set(Math.floor(oldestCheckMs / 1000))
      }),
    text,
  }
}
