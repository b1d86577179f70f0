import { counter, createMetrics, gauge, histogram, type Metrics, type MetricTable } from '#lib'

/** 11 exponential steps from 0.1 to 2 seconds, as upstream's dashboards expect them. */
const buckets = [0.1, 0.134928, 0.182056, 0.245646, 0.331445, 0.447214, 0.603418, 0.814181, 1.098561, 1.482269, 2]

const os_type = '`linux` or `windows`'
const provider = "the class's provider"
/** A provider may answer any error code. */
const error_type = {
  help: "code of the provider's or the driver's error",
  limit: 40,
  pattern: /^\w{1,64}$/,
  other: 'Other',
}
const ofClass = { namespace: 'of the class', class: 'name of the SecretProviderClass' }

/** Upstream's names and labels, then ours: one series per class, so that a full node has a few and not hundreds. */
export const driverMetrics = {
  published: counter('node_publish_total', 'Total number of node publish calls', { os_type, provider }),
  publishErrors: counter('node_publish_error_total', 'Total number of node publish calls with error', {
    os_type,
    provider,
    error_type,
  }),
  unpublished: counter('node_unpublish_total', 'Total number of node unpublish calls', { os_type }),
  unpublishErrors: counter('node_unpublish_error_total', 'Total number of node unpublish calls with error', {
    os_type,
  }),
  rotations: counter('rotation_reconcile_total', 'Total number of rotation checks', {
    os_type,
    provider,
    rotated: '`true` if a file changed',
  }),
  rotationErrors: counter('rotation_reconcile_error_total', 'Total number of rotation checks with error', {
    os_type,
    provider,
    error_type,
    rotated: 'always `false`',
  }),
  rotationSeconds: histogram('rotation_reconcile_duration_sec', 'Duration of a rotation check in seconds', buckets, {
    os_type,
  }),
  changeToFile: histogram(
    'keymount_change_to_file_seconds',
    'Time from a change in the vault to the files',
    [0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600],
    {
      source:
        '`event`: since the change, as the operator reports it; `command`: since a rotation was asked for; `poll`: since the check before, the longest that it can have been',
    },
  ),
  secretsSynced: counter('sync_k8s_secret_total', 'Total number of Kubernetes secrets written', { os_type, provider }),
  secretSyncErrors: counter(
    'sync_k8s_secret_error_total',
    'Total number of Kubernetes secrets that could not be written',
    { os_type, provider },
  ),
  secretsRemoved: counter(
    'sync_k8s_secret_removed_total',
    'Total number of Kubernetes secrets deleted because no class names them any more',
    { os_type, provider },
  ),
  secretSyncSeconds: histogram(
    'k8s_secret_duration_sec',
    'Duration of writing a Kubernetes secret in seconds',
    buckets,
    { os_type },
  ),
  volumeMemory: gauge('volume_memory_bytes', 'Memory of the files of all volumes of this node'),
  volumeMemoryBudget: gauge('volume_memory_budget_bytes', 'Memory that the files of all volumes of this node may take'),
  mountedVolumes: gauge('rotation_volumes', 'Volumes that are mounted on this node', ofClass),
  failingVolumes: gauge('rotation_failing_volumes', 'Volumes whose last rotation check failed', ofClass),
  quietVolumes: gauge(
    'rotation_quiet_volumes',
    'Volumes that are polled rarely, because the operator confirms that it hears of every change of their vaults',
    ofClass,
  ),
  staleVolumes: gauge(
    'stale_volumes',
    'Volumes with values from before an outage, or of a fallback vault, which are read again every 15 seconds',
    ofClass,
  ),
  lastCheck: gauge(
    'rotation_last_check_timestamp_seconds',
    'Last rotation check of the volume that waits longest',
    ofClass,
  ),
  lastChange: gauge('rotation_last_change_timestamp_seconds', 'Last change of any volume', ofClass),
  nextCheck: gauge(
    'rotation_next_check_timestamp_seconds',
    'Next rotation check of the volume that is due first',
    ofClass,
  ),
} as const satisfies MetricTable

/** The driver's metrics, by what happened. */
export interface DriverMetrics {
  publish(provider: string): void
  publishError(provider: string, errorType: string): void
  unpublish(): void
  unpublishError(): void
  rotation(provider: string, rotated: boolean, seconds: number): void
  rotationError(provider: string, errorType: string): void
  secretSync(provider: string, seconds: number): void
  secretSyncError(provider: string): void
  secretRemoved(provider: string): void
  registry: Metrics<typeof driverMetrics>
}

export function createDriverMetrics(options: { osType: 'linux' | 'windows' }): DriverMetrics {
  // The three scope labels are on every series of upstream's.
  const registry = createMetrics(driverMetrics, {
    otel_scope_name: 'sigs.k8s.io/secrets-store-csi-driver',
    otel_scope_version: '',
    otel_scope_schema_url: '',
  })
  const { series } = registry
  const os = { os_type: options.osType }
  return {
    publish: (provider) => series.published.add({ ...os, provider }),
    publishError: (provider, errorType) => series.publishErrors.add({ ...os, provider, error_type: errorType }),
    unpublish: () => series.unpublished.add(os),
    unpublishError: () => series.unpublishErrors.add(os),
    rotation(provider, rotated, seconds) {
      series.rotations.add({ ...os, provider, rotated: String(rotated) })
      series.rotationSeconds.observe(seconds, os)
    },
    rotationError: (provider, errorType) =>
      series.rotationErrors.add({ ...os, provider, error_type: errorType, rotated: 'false' }),
    secretSync(provider, seconds) {
      series.secretsSynced.add({ ...os, provider })
      series.secretSyncSeconds.observe(seconds, os)
    },
    secretSyncError: (provider) => series.secretSyncErrors.add({ ...os, provider }),
    secretRemoved: (provider) => series.secretsRemoved.add({ ...os, provider }),
    registry,
  }
}
