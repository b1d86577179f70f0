import { createMetrics, type Labels, type Metrics } from '#lib'

/** The driver's metrics, under the names and labels that the field's dashboards and suites ask for. */
export interface DriverMetrics {
  publish(provider: string): void
  publishError(provider: string, errorType: string): void
  unpublish(): void
  unpublishError(): void
  rotation(provider: string, rotated: boolean, seconds: number): void
  rotationError(provider: string, errorType: string): void
  secretSync(provider: string, seconds: number): void
  secretSyncError(provider: string): void
  registry: Metrics
}

/** 11 exponential steps from 0.1 to 2 seconds, as the field's dashboards expect them. */
const secondsBounds = [0.1, 0.134928, 0.182056, 0.245646, 0.331445, 0.447214, 0.603418, 0.814181, 1.098561, 1.482269, 2]

/** A provider may answer any error code; so many different ones become label values, the rest is `Other`. */
const maxErrorTypes = 40

export function createDriverMetrics(options: { osType: 'linux' | 'windows' }): DriverMetrics {
  // The three scope labels are on every series of the field.
  const registry = createMetrics({
    otel_scope_name: 'sigs.k8s.io/secrets-store-csi-driver',
    otel_scope_version: '',
    otel_scope_schema_url: '',
  })
  const os: Labels = { os_type: options.osType }
  const errorTypes = new Set<string>()
  const errorLabel = (errorType: string): string => {
    if (errorTypes.has(errorType)) return errorType
    if (errorTypes.size >= maxErrorTypes || !/^\w{1,64}$/.test(errorType)) return 'Other'
    errorTypes.add(errorType)
    return errorType
  }

  const published = registry.counter('node_publish_total', 'Total number of node publish calls')
  const publishErrors = registry.counter('node_publish_error_total', 'Total number of node publish calls with error')
  const unpublished = registry.counter('node_unpublish_total', 'Total number of node unpublish calls')
  const unpublishErrors = registry.counter(
    'node_unpublish_error_total',
    'Total number of node unpublish calls with error',
  )
  const rotations = registry.counter('rotation_reconcile_total', 'Total number of rotation checks')
  const rotationErrors = registry.counter(
    'rotation_reconcile_error_total',
    'Total number of rotation checks with error',
  )
  const rotationSeconds = registry.histogram(
    'rotation_reconcile_duration_sec',
    'Duration of a rotation check in seconds',
    secondsBounds,
  )
  const synced = registry.counter('sync_k8s_secret_total', 'Total number of Kubernetes secrets written')
  const syncErrors = registry.counter(
    'sync_k8s_secret_error_total',
    'Total number of Kubernetes secrets that could not be written',
  )
  const syncSeconds = registry.histogram(
    'k8s_secret_duration_sec',
    'Duration of writing a Kubernetes secret in seconds',
    secondsBounds,
  )

  return {
    publish: (provider) => published.add({ ...os, provider }),
    publishError: (provider, errorType) => publishErrors.add({ ...os, provider, error_type: errorLabel(errorType) }),
    unpublish: () => unpublished.add(os),
    unpublishError: () => unpublishErrors.add(os),
    rotation(provider, rotated, seconds) {
      rotations.add({ ...os, provider, rotated: String(rotated) })
      rotationSeconds.observe(seconds, os)
    },
    rotationError: (provider, errorType) =>
      rotationErrors.add({ ...os, provider, error_type: errorLabel(errorType), rotated: 'false' }),
    secretSync(provider, seconds) {
      synced.add({ ...os, provider })
      syncSeconds.observe(seconds, os)
    },
    secretSyncError: (provider) => syncErrors.add({ ...os, provider }),
    registry,
  }
}
