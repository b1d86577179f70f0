import { counter, createMetrics, histogram, type MetricTable } from '#lib'
import { measured, operationBuckets } from '../operation-metrics.ts'
import type { Route } from './route.ts'

export type ImdsOperation = 'adal_token_msi' | 'adal_token_msi_userassignedid' | 'adal_token'

/** Distinct values of a label that the caller chooses. */
const limit = 100

const tokenOperation = { operation_type: '`adal_token_msi`, `adal_token_msi_userassignedid` or `adal_token`' }

/** Names and labels are upstream's. */
export const nmiMetrics = {
  requests: histogram(
    'aadpodidentity_nmi_operations_duration_seconds',
    'Latency in seconds of NMI operations',
    operationBuckets,
    {
      operation_type: "path of the route; upstream's is the path as it was sent, of which a pod can make any number",
      status_code: 'HTTP status of the answer',
      namespace: { help: 'of the pod', limit },
      resource: { help: 'that the token is for', limit },
    },
  ),
  tokenSeconds: histogram(
    'aadpodidentity_imds_operations_duration_seconds',
    'Latency in seconds of requests for tokens',
    operationBuckets,
    tokenOperation,
  ),
  tokenErrors: counter(
    'aadpodidentity_imds_operations_errors_count',
    'Total number of errors in requests for tokens',
    tokenOperation,
  ),
  kubernetesErrors: counter(
    'aadpodidentity_kubernetes_api_operations_errors_count',
    'Total number of errors in Kubernetes API operations',
    { operation_type: '`get_pod_list` or `get_secret`' },
  ),
} as const satisfies MetricTable

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

const operationTypes: Record<Route, string> = {
  token: '/metadata/identity/oauth2/token',
  'host-token': '/host/token',
  instance: '/metadata/instance',
  invalid: 'invalid',
  other: 'other',
}

export function createNmiMetrics(): NmiMetrics {
  const { series, text } = createMetrics(nmiMetrics)
  return {
    request: ({ route, status, durationMs, namespace, resource }) =>
      series.requests.observe(durationMs / 1000, {
        operation_type: operationTypes[route],
        status_code: String(status),
        namespace,
        resource,
      }),
    token: (operation, acquire) =>
      measured({ seconds: series.tokenSeconds, errors: series.tokenErrors }, operation, acquire),
    kubernetesFailed: (operation) => series.kubernetesErrors.add({ operation_type: operation }),
    text,
  }
}
