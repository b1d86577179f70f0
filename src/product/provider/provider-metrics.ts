import { type Clock, createMetrics, type Metrics, systemClock } from '#lib'
import type { ReadOutcome } from './read-cache.ts'

/** What the provider counts. Names and labels of the first two are the field's; label values are bounded, never error texts. */
export interface ProviderMetrics {
  vaultRead(object: { type: string; name: string }, errorCode: string, durationMs: number): void
  rpc(method: string, code: string, errorCode: string, durationMs: number): void
  cache(outcome: ReadOutcome): void
  throttled(host: string): void
  token(kind: string, outcome: 'ok' | 'error'): void
  /** Seconds since the epoch, as the vault says. */
  mounted(object: { type: string; name: string; vault: string }, times: { updated?: number; exp?: number }): void
  text(): string
}

/** Upstream's bucket bounds, in seconds. */
const bounds = [0.1, 0.2, 0.3, 0.4, 0.5, 1, 1.5, 2, 2.5, 3, 5, 10, 15, 30]

/** Distinct objects, or hosts, that get series of their own; the rest is counted as `other`. */
const maxSeries = 500

/** Objects that nobody mounted or rotated for this long are not on this node any more. */
const forgetMs = 60 * 60_000

export function createProviderMetrics({ clock = systemClock }: { clock?: Clock } = {}): ProviderMetrics {
  const metrics: Metrics = createMetrics({
    provider: 'azure',
    os_type: 'linux',
    service_name: 'csi-secrets-store-provider-azure',
  })
  const reads = metrics.histogram('keyvault_request', 'Distribution of how long it took to get from keyvault', bounds)
  const rpcs = metrics.histogram('grpc_request', 'Distribution of how long it took for the gRPC requests', bounds)
  const cache = metrics.counter(
    'keymount_provider_reads_total',
    'Reads by how they were answered: read (asked the vault), joined (a read in flight), shared (a read of the last seconds), stale (kept through an outage)',
  )
  const throttled = metrics.counter('keymount_provider_throttled_total', 'Answers that asked for fewer requests')
  const tokens = metrics.counter(
    'keymount_provider_token_acquisitions_total',
    'Sign-ins by kind of identity and outcome',
  )
  const age = metrics.gauge(
    'keymount_provider_object_age_seconds',
    'Time since the mounted version was last changed in the vault',
  )
  const expiry = metrics.gauge(
    'keymount_provider_object_expiry_days',
    'Days until the mounted version expires; negative afterwards',
  )
  const names = bounded()
  const hosts = bounded()
  const objects = new Map<string, { labels: Record<string, string>; updated?: number; exp?: number; seen: number }>()

  metrics.beforeScrape(() => {
    age.clear()
    expiry.clear()
    const now = clock.now()
    for (const [key, { labels, updated, exp, seen }] of objects) {
      if (now - seen > forgetMs) objects.delete(key)
      else {
        if (updated !== undefined) age.set(Math.max(0, Math.round(now / 1000 - updated)), labels)
        if (exp !== undefined) expiry.set(Number(((exp - now / 1000) / 86_400).toFixed(2)), labels)
      }
    }
  })

  return {
    vaultRead: ({ type, name }, error, durationMs) =>
      reads.observe(durationMs / 1000, { object_type: type, object_name: names(name), error }),
    rpc: (method, code, errorCode, durationMs) =>
      rpcs.observe(durationMs / 1000, { grpc_method: method, grpc_code: code, grpc_message: errorCode }),
    cache: (outcome) => cache.add({ outcome }),
    throttled: (host) => throttled.add({ host: hosts(host) }),
    token: (kind, outcome) => tokens.add({ kind, outcome }),
    mounted({ type, name, vault }, { updated, exp }) {
      const labels = { object_type: type, object_name: name, vault }
      const key = JSON.stringify(labels)
      if (objects.size >= maxSeries && !objects.has(key)) return
      objects.set(key, {
        labels,
        ...(updated === undefined ? {} : { updated }),
        ...(exp === undefined ? {} : { exp }),
        seen: clock.now(),
      })
    },
    text: () => metrics.text(),
  }
}

/** Names come from classes, and their number is nobody's promise. */
function bounded(): (value: string) => string {
  const known = new Set<string>()
  return (value) => {
    if (known.size < maxSeries) known.add(value)
    return known.has(value) ? value : 'other'
  }
}
