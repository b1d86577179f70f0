import { createMetrics } from '#lib'

export type MutationResult = 'mutated' | 'unchanged' | 'denied' | 'failed'

/** `failed`: the request was none, or we could not answer it. */
export type ClassCheckResult = 'accepted' | 'warned' | 'refused' | 'failed'

export interface WebhookMetrics {
  mutation(namespace: string, result: MutationResult, durationMs: number): void
  classChecked(result: ClassCheckResult): void
  /** Milliseconds since the epoch. */
  certificateExpires(atMs: number): void
  accounts(read: () => number): void
  text(): string
}

/** Upstream's bucket bounds, in seconds. */
const steps = (from: number, by: number, count: number) =>
  Array.from({ length: count }, (_, i) => Number((from + i * by).toFixed(3)))
const bounds = [...steps(0.001, 0.001, 9), ...steps(0.01, 0.01, 9), ...steps(0.1, 0.1, 10), 1.5, 2, 2.5, 3]

/** Namespaces that get series of their own; the rest is counted as `other`. */
const maxNamespaces = 500

export function createWebhookMetrics(): WebhookMetrics {
  const metrics = createMetrics({ service_name: 'webhook' })
  const requests = metrics.histogram(
    'azwi_mutation_request',
    'Distribution of how long it took for the azure-workload-identity mutation request',
    bounds,
  )
  const classes = metrics.counter(
    'keymount_webhook_class_checks_total',
    'SecretProviderClasses that were created or changed, by what the check said',
  )
  const expiry = metrics.gauge(
    'keymount_webhook_certificate_expiry_timestamp_seconds',
    'When the certificate that the webhook serves with expires',
  )
  const accounts = metrics.gauge('keymount_webhook_service_accounts', 'Service accounts that are remembered')
  const memory = metrics.gauge('process_resident_memory_bytes', 'Resident memory size in bytes.')
  const cpu = metrics.gauge('process_cpu_seconds_total', 'Total user and system CPU time spent in seconds.')
  metrics.beforeScrape(() => {
    const { user, system } = process.cpuUsage()
    memory.set(process.memoryUsage.rss())
    cpu.set((user + system) / 1e6)
  })
  const namespaces = new Set<string>()
  return {
    mutation(namespace, result, durationMs) {
      if (namespaces.size < maxNamespaces) namespaces.add(namespace)
      requests.observe(durationMs / 1000, { namespace: namespaces.has(namespace) ? namespace : 'other', result })
    },
    classChecked: (result) => classes.add({ result }),
    certificateExpires: (atMs) => expiry.set(Math.round(atMs / 1000)),
    accounts: (read) => metrics.beforeScrape(() => accounts.set(read())),
    text: () => metrics.text(),
  }
}
