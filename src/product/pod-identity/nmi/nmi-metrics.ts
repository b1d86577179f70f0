import { createMetrics } from '#lib'
import type { Route } from './route.ts'

export type ImdsOperation = 'adal_token_msi' | 'adal_token_msi_userassignedid' | 'adal_token'

export interface NmiRequest {
  route: Route
  status: number
  durationMs: number
  namespace: string
  resource: string
}

export interface NmiMetrics {
  request(request: NmiRequest): void
  /** Measures a request for a token. */
  token<T>(operation: ImdsOperation, acquire: () => Promise<T>): Promise<T>
  kubernetesFailed(operation: 'get_pod_list' | 'get_secret'): void
  text(): string
}

/** Upstream's bounds, in seconds. */
const bounds = [0.5, 1, 2, 3, 4, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100]

/** Upstream's label is the path as it was sent, of which a pod can make any number; ours is the route's own path. */
const operationTypes: Record<Route, string> = {
  token: '/metadata/identity/oauth2/token',
  'host-token': '/host/token',
  instance: '/metadata/instance',
  invalid: 'invalid',
  other: 'other',
}

/** Distinct values of a label that whoever asks can choose; what comes after is counted as `other`. */
const maxValues = 100

export function createNmiMetrics(): NmiMetrics {
  const metrics = createMetrics()
  const name = (rest: string) => `aadpodidentity_${rest}`
  const requests = metrics.histogram(
    name('nmi_operations_duration_seconds'),
    'Latency in seconds of NMI operations',
    bounds,
  )
  const imdsDuration = metrics.histogram(
    name('imds_operations_duration_seconds'),
    'Latency in seconds of requests for tokens',
    bounds,
  )
  const imdsErrors = metrics.counter(
    name('imds_operations_errors_count'),
    'Total number of errors in requests for tokens',
  )
  const kubernetesErrors = metrics.counter(
    name('kubernetes_api_operations_errors_count'),
    'Total number of errors in Kubernetes API operations',
  )
  const namespaces = boundedValues()
  const resources = boundedValues()
  return {
    request({ route, status, durationMs, namespace, resource }) {
      const labels = {
        operation_type: operationTypes[route],
        status_code: String(status),
        namespace: namespaces(namespace),
        resource: resources(resource),
      }
      requests.observe(durationMs / 1000, labels)
    },
    async token(operation, acquire) {
      const labels = { operation_type: operation }
      const start = performance.now()
      try {
        return await acquire()
      } catch (error) {
        imdsErrors.add(labels)
        throw error
      } finally {
        imdsDuration.observe((performance.now() - start) / 1000, labels)
      }
    },
    kubernetesFailed: (operation) => kubernetesErrors.add({ operation_type: operation }),
    text: metrics.text,
  }
}

function boundedValues(): (value: string) => string {
  const known = new Set<string>()
  return (value) => {
    if (known.size < maxValues) known.add(value)
    return known.has(value) ? value : 'other'
  }
}
