import { counter, createMetrics, gauge, histogram, type MetricTable } from '#lib'

export type MutationResult = 'mutated' | 'unchanged' | 'denied' | 'failed'

/** `failed`: the request was not a review of a class, or we could not answer it. */
export type ClassCheckResult = 'accepted' | 'warned' | 'refused' | 'failed'

/** Upstream's bucket bounds, in seconds. */
const steps = (from: number, by: number, count: number) =>
  Array.from({ length: count }, (_, i) => Number((from + i * by).toFixed(3)))
const buckets = [...steps(0.001, 0.001, 9), ...steps(0.01, 0.01, 9), ...steps(0.1, 0.1, 10), 1.5, 2, 2.5, 3]

/** The first has upstream's name and labels. */
export const webhookMetrics = {
  requests: histogram(
    'azwi_mutation_request',
    'Distribution of how long it took for the azure-workload-identity mutation request',
    buckets,
    {
      namespace: { help: 'of the pod', limit: 500 },
      result: '`mutated`, `unchanged`, `denied` or `failed`',
    },
  ),
  classChecks: counter(
    'keymount_webhook_class_checks_total',
    'SecretProviderClasses that were created or changed, by the result of the check',
    { result: '`accepted`, `warned`, `refused` or `failed`' },
  ),
  certificateExpiry: gauge(
    'keymount_webhook_certificate_expiry_timestamp_seconds',
    'When the certificate that the webhook serves with expires',
  ),
  accounts: gauge('keymount_webhook_service_accounts', 'Service accounts that are held in memory'),
  memory: gauge('process_resident_memory_bytes', 'Resident memory size in bytes.'),
  cpu: gauge('process_cpu_seconds_total', 'Total user and system CPU time spent in seconds.'),
} as const satisfies MetricTable

export interface WebhookMetrics {
  mutation(namespace: string, result: MutationResult, durationMs: number): void
  classChecked(result: ClassCheckResult): void
  /** Milliseconds since the epoch. */
  certificateExpires(atMs: number): void
  accounts(read: () => number): void
  text(): string
}

export function createWebhookMetrics(): WebhookMetrics {
  const metrics = createMetrics(webhookMetrics, { service_name: 'webhook' })
  const { requests, classChecks, certificateExpiry, accounts, memory, cpu } = metrics.series
  metrics.beforeScrape(() => {
    const { user, system } = process.cpuUsage()
    memory.set(process.memoryUsage.rss())
    cpu.set((user + system) / 1e6)
  })
  return {
    mutation: (namespace, result, durationMs) => requests.observe(durationMs / 1000, { namespace, result }),
    classChecked: (result) => classChecks.add({ result }),
    certificateExpires: (atMs) => certificateExpiry.set(Math.round(atMs / 1000)),
    accounts: (read) => metrics.beforeScrape(() => accounts.set(read())),
    text: metrics.text,
  }
}
