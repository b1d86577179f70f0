import { createMetrics, type Histogram } from '#lib'

/** Upstream's bounds, in seconds. */
const bounds = [0.5, 1, 2, 3, 4, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100]

export type AzureOperation = 'vm_get' | 'vm_update' | 'vmss_get' | 'vmss_update'
export type AssignmentOperation = 'addition' | 'deletion' | 'update'
export type KubernetesOperation =
  | 'assigned_identity_addition'
  | 'assigned_identity_deletion'
  | 'assigned_identity_update'
  | 'update_azure_assigned_identity_status'

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

/** Names are upstream's. */
export function createMicMetrics(): MicMetrics {
  const metrics = createMetrics()
  const name = (rest: string) => `aadpodidentity_${rest}`
  const assignmentOf = (operation: AssignmentOperation) => ({
    duration: metrics.histogram(
      name(`assigned_identity_${operation}_duration_seconds`),
      `Duration in seconds it took to complete an assigned identity ${operation}`,
      bounds,
    ),
    count: metrics.counter(
      name(`assigned_identity_${operation}_count`),
      `Total number of assigned identity ${operation}s`,
    ),
  })
  const assignments = {
    addition: assignmentOf('addition'),
    deletion: assignmentOf('deletion'),
    update: assignmentOf('update'),
  }
  const azureDuration = metrics.histogram(
    name('cloud_provider_operations_duration_seconds'),
    'Duration in seconds of cloud provider operations',
    bounds,
  )
  const azureErrors = metrics.counter(
    name('cloud_provider_operations_errors_count'),
    'Total number of errors in cloud provider operations',
  )
  const kubernetesErrors = metrics.counter(
    name('kubernetes_api_operations_errors_count'),
    'Total number of errors in Kubernetes API operations',
  )
  const cycleDuration = metrics.histogram(name('mic_cycle_duration_seconds'), 'Duration in seconds of a cycle', bounds)
  const cycles = metrics.counter(name('mic_cycle_count'), 'Total number of cycles')
  const elections = metrics.counter(
    name('mic_new_leader_election_count'),
    'Total number of times that this replica was elected',
  )

  async function timed<T>(into: Histogram, labels: Record<string, string>, run: () => Promise<T>): Promise<T> {
    const start = performance.now()
    try {
      return await run()
    } finally {
      into.observe((performance.now() - start) / 1000, labels)
    }
  }

  return {
    async azure(operation, call) {
      const labels = { operation_type: operation }
      try {
        return await timed(azureDuration, labels, call)
      } catch (error) {
        azureErrors.add(labels)
        throw error
      }
    },
    async assignment(operation, change) {
      const { duration, count } = assignments[operation]
      const result = await timed(duration, {}, change)
      count.add()
      return result
    },
    kubernetesFailed: (operation) => kubernetesErrors.add({ operation_type: operation }),
    async cycle(run) {
      cycles.add()
      return timed(cycleDuration, {}, run)
    },
    elected: () => elections.add(),
    text: metrics.text,
  }
}
