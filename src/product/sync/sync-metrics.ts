import { createMetrics, type MetricTable } from '#lib'

const maxSyncs = 5000

export const syncMetrics = {
  reconciles: {
    type: 'counter',
    name: 'secretsync_reconcile_total',
    help: 'Checks of SecretSyncs by result',
    labels: { result: '`success` or `failure`', reason: 'of the failure, as in the conditions, or empty' },
  },
  upstreamReconciles: {
    type: 'counter',
    name: 'secrets_store_sync_controller_reconcile_total',
    help: "Checks of SecretSyncs, under upstream's name",
  },
  upstreamErrors: {
    type: 'counter',
    name: 'secrets_store_sync_controller_reconcile_errors_total',
    help: "Failed checks of SecretSyncs, under upstream's name",
  },
  seconds: {
    type: 'histogram',
    name: 'secretsync_reconcile_duration_seconds',
    help: 'Duration of a check in seconds',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  },
  ready: {
    type: 'gauge',
    name: 'secretsync_ready',
    help: `Whether a SecretSync is Ready; for the first ${maxSyncs}, of the others their number is under the name "others"`,
    labels: { namespace: 'of the SecretSync', name: 'of the SecretSync' },
  },
  stale: {
    type: 'gauge',
    name: 'secretsync_stale',
    help: 'Secrets of SecretSyncs with values from before an outage, or of a fallback vault; a namespace without any has no series',
    labels: { namespace: 'of the SecretSyncs' },
  },
  oldestCheck: {
    type: 'gauge',
    name: 'secretsync_last_check_timestamp_seconds',
    help: 'Last check of the SecretSync that waits longest',
  },
  reads: { type: 'counter', name: 'secretsync_provider_reads_total', help: 'Requests to providers' },
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
