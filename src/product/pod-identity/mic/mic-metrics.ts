import { counter, createMetrics, histogram, type MetricTable, timed } from '#lib'
import { measured, operationBuckets } from '../operation-metrics.ts'

export type AzureOperation = 'vm_get' | 'vm_update' | 'vmss_get' | 'vmss_update'
export type AssignmentOperation = 'addition' | 'deletion' | 'update'
export type KubernetesOperation =
  | 'assigned_identity_addition'
  | 'assigned_identity_deletion'
  | 'assigned_identity_update'
  | 'update_azure_assigned_identity_status'

const azureOperation = { operation_type: '`vm_get`, `vm_update`, `vmss_get` or `vmss_update`' }

function assignmentDuration<const Operation extends AssignmentOperation>(operation: Operation) {
  return histogram(
    `aadpodidentity_assigned_identity_${operation}_duration_seconds`,
    `Duration in seconds it took to complete an assigned identity ${operation}`,
    operationBuckets,
  )
}

function assignmentCount<const Operation extends AssignmentOperation>(operation: Operation) {
  return counter(
    `aadpodidentity_assigned_identity_${operation}_count`,
    `Total number of assigned identity ${operation}s`,
  )
}

/** Names and labels are upstream's. */
export const micMetrics = {
  additionSeconds: assignmentDuration('addition'),
  additions: assignmentCount('addition'),
  deletionSeconds: assignmentDuration('deletion'),
  deletions: assignmentCount('deletion'),
  updateSeconds: assignmentDuration('update'),
  updates: assignmentCount('update'),
  azureSeconds: histogram(
    'aadpodidentity_cloud_provider_operations_duration_seconds',
    'Duration in seconds of cloud provider operations',
    operationBuckets,
    azureOperation,
  ),
  azureErrors: counter(
    'aadpodidentity_cloud_provider_operations_errors_count',
    'Total number of errors in cloud provider operations',
    azureOperation,
  ),
  kubernetesErrors: counter(
    'aadpodidentity_kubernetes_api_operations_errors_count',
    'Total number of errors in Kubernetes API operations',
    { operation_type: 'what was done, such as `assigned_identity_addition`' },
  ),
  cycleSeconds: histogram(
    'aadpodidentity_mic_cycle_duration_seconds',
    'Duration in seconds of a cycle',
    operationBuckets,
  ),
  cycles: counter('aadpodidentity_mic_cycle_count', 'Total number of cycles'),
  elections: counter(
    'aadpodidentity_mic_new_leader_election_count',
    'Total number of times that this replica was elected',
  ),
} as const satisfies MetricTable

export interface MicMetrics {
  /** Measures a call to Azure. */
  azure<T>(operation: AzureOperation, call: () => Promise<T>): Promise<T>
  /** Measures and counts a change of an AzureAssignedIdentity. */
  assignment<T>(operation: AssignmentOperation, change: () => Promise<T>): Promise<T>
  kubernetesFailed(operation: KubernetesOperation): void
  cycle<T>(run: () => Promise<T>): Promise<T>
  elected(): void
  text(): string
}

export function createMicMetrics(): MicMetrics {
  const { series, text } = createMetrics(micMetrics)
  const assignments = {
    addition: { seconds: series.additionSeconds, count: series.additions },
    deletion: { seconds: series.deletionSeconds, count: series.deletions },
    update: { seconds: series.updateSeconds, count: series.updates },
  }
  return {
    azure: (operation, call) => measured({ seconds: series.azureSeconds, errors: series.azureErrors }, operation, call),
    async assignment(operation, change) {
      const { seconds, count } = assignments[operation]
      const result = await timed(seconds.observe, change)
      count.add()
      return result
    },
    kubernetesFailed: (operation) => series.kubernetesErrors.add({ operation_type: operation }),
    async cycle(run) {
      series.cycles.add()
      return timed(series.cycleSeconds.observe, run)
    },
    elected: () => series.elections.add(),
    text,
  }
}
