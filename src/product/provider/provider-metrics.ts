import { createHash } from 'node:crypto'
import { type Credential, IdentityError } from '#azure/identity'
import { type Clock, counter, createMetrics, gauge, histogram, type MetricTable, systemClock } from '#lib'
import { createFairTable } from './fair-table.ts'
import type { ReadOutcome } from './read-cache.ts'

/** Upstream's bucket bounds, in seconds. */
const buckets = [0.1, 0.2, 0.3, 0.4, 0.5, 1, 1.5, 2, 2.5, 3, 5, 10, 15, 30]

/** Distinct objects, or hosts, that get series of their own. Classes choose them. */
const maxSeries = 500

/** Distinct certificates that get series of their own. */
const maxCertificates = 1000

/** An object that was neither mounted nor rotated for this long is not on this node any more, unless it is polled more rarely. */
const forgetMs = 60 * 60_000

const object = {
  object_type: '`secret`, `key` or `cert`',
  object_name: 'name in the vault, its hash, or empty, by `--object-name-labels`',
  vault: 'host of the vault',
}

/** The first two have upstream's names and labels. No label holds an error's text. */
export const providerMetrics = {
  reads: histogram('keyvault_request', 'Distribution of how long it took to get from keyvault', buckets, {
    object_type: object.object_type,
    object_name: { help: object.object_name, limit: maxSeries },
    error: 'code of the error (docs/errors.md), or empty',
  }),
  rpcs: histogram('grpc_request', 'Distribution of how long it took for the gRPC requests', buckets, {
    grpc_method: 'full name of the method',
    grpc_code: 'gRPC status, such as `OK` or `NotFound`',
    grpc_message: 'code of the error (docs/errors.md), or empty',
  }),
  cache: counter('keymount_provider_reads_total', 'Reads by how they were answered', {
    outcome:
      '`read` (asked the vault), `joined` (a read in flight), `shared` (an earlier read), and in an outage `fallback` (from the fallback vault) or `stale` (an object from memory)',
  }),
  lastGood: gauge('keymount_provider_last_good_bytes', 'Size of the values kept for an outage'),
  throttled: counter('keymount_provider_throttled_total', 'Answers that asked for fewer requests', {
    host: { help: 'that answered', limit: maxSeries },
  }),
  tokens: counter('keymount_provider_token_acquisitions_total', 'Sign-ins by kind of identity and outcome', {
    kind: 'of the identity',
    outcome: '`ok` or `error`',
  }),
  entra: counter('entra_token_requests_total', 'Sign-ins at Entra, and each answer of 429 by itself', {
    result: '`ok`, `refused`, `throttled` (an answer of 429) or `unreachable` (no answer, or 5xx)',
  }),
  age: gauge(
    'keymount_provider_object_age_seconds',
    'Time since the mounted version was last changed in the vault',
    object,
  ),
  expiry: gauge(
    'keymount_provider_object_expiry_days',
    'Days until the mounted version expires; negative afterwards',
    object,
  ),
  certificateExpiry: gauge(
    'certificate_expiry_timestamp_seconds',
    `When the mounted version of a certificate expires, also of one that is mounted as a secret; for ${maxCertificates}, of which each namespace has its share`,
    { object_name: object.object_name, vault: object.vault },
  ),
  vaultRequests: counter('keymount_provider_vault_requests_total', 'Requests to vaults', {
    vault: { help: object.vault, limit: maxSeries },
  }),
} as const satisfies MetricTable

export interface ProviderMetrics {
  vaultRead(object: { type: string; name: string }, errorCode: string, durationMs: number): void
  rpc(method: string, code: string, errorCode: string, durationMs: number): void
  cache(outcome: ReadOutcome | 'fallback' | 'stale'): void
  /** @param bytes asked for at each scrape. */
  lastGoodBytes(bytes: () => number): void
  throttled(host: string): void
  /** A sign-in of one kind of identity that gave a token, or its error. */
  signIn(kind: Credential['kind'], outcome: 'ok' | Error): void
  entraRequest(result: EntraResult): void
  /** One request that is sent to a vault, each attempt counted. */
  vaultRequest(host: string): void
  /** Times in seconds since the epoch, by the vault's clock. */
  mounted(object: MountedObject, times: ObjectTimes, from: MountedFrom): void
  text(): string
}

/** How names of objects appear in labels: as they are, as a hash, or not at all. */
export const objectNameLabels = ['plain', 'hashed', 'none'] as const
export type ObjectNameLabels = (typeof objectNameLabels)[number]

interface MountedObject {
  type: string
  name: string
  vault: string
  /** A certificate, or the secret with its key. */
  isCertificate: boolean
}

/** The volume that it was mounted for. */
interface MountedFrom {
  namespace: string
  /** Longest time until it is read again, in milliseconds, as far as it is known. */
  intervalMs: number
}

interface ObjectTimes {
  updated?: number | undefined
  exp?: number | undefined
}

export interface ProviderMetricsOptions {
  clock?: Clock | undefined
  /** Default `plain`. */
  objectNames?: ObjectNameLabels | undefined
}

export function createProviderMetrics({
  clock = systemClock,
  objectNames = 'plain',
}: ProviderMetricsOptions = {}): ProviderMetrics {
  const nameLabel = nameLabels[objectNames]
  const metrics = createMetrics(providerMetrics, {
    provider: 'azure',
    os_type: 'linux',
    service_name: 'csi-secrets-store-provider-azure',
  })
  const { reads, rpcs, cache, lastGood, throttled, tokens, entra, age, expiry, vaultRequests } = metrics.series
  // From the start: `rate` does not see the first one of a series that appears with it.
  for (const outcome of ['fallback', 'stale']) cache.add({ outcome }, 0)
  const objects = createFairTable<{ labels: Record<keyof typeof object, string>; times: ObjectTimes }>(maxSeries, clock)

  metrics.beforeScrape(() => {
    age.clear()
    expiry.clear()
    const now = clock.now()
    for (const { labels, times } of objects.values()) {
      if (times.updated !== undefined) age.set(Math.max(0, Math.round(now / 1000 - times.updated)), labels)
      if (times.exp !== undefined) expiry.set(Number(((times.exp - now / 1000) / 86_400).toFixed(2)), labels)
    }
  })
  const certificates = createFairTable<CertificateTime>(maxCertificates, clock)
  metrics.beforeScrape(() => {
    const { certificateExpiry } = metrics.series
    certificateExpiry.clear()
    for (const { exp, vault, label } of firstOfEach(certificates.values()))
      certificateExpiry.set(exp, { object_name: label, vault })
  })

  return {
    vaultRead: ({ type, name }, error, durationMs) =>
      reads.observe(durationMs / 1000, { object_type: type, object_name: nameLabel(name), error }),
    rpc: (method, code, errorCode, durationMs) =>
      rpcs.observe(durationMs / 1000, { grpc_method: method, grpc_code: code, grpc_message: errorCode }),
    cache: (outcome) => cache.add({ outcome }),
    lastGoodBytes: (bytes) => metrics.beforeScrape(() => lastGood.set(bytes())),
    throttled: (host) => throttled.add({ host }),
    signIn(kind, outcome) {
      tokens.add({ kind, outcome: outcome === 'ok' ? 'ok' : 'error' })
      const result = kind === 'managed' || kind === 'pod-identity' ? undefined : entraResultOf(outcome)
      if (result !== undefined) entra.add({ result })
    },
    entraRequest: (result) => entra.add({ result }),
    vaultRequest: (vault) => vaultRequests.add({ vault }),
    mounted({ type, name, vault, isCertificate }, times, { namespace, intervalMs }) {
      const owner = { namespace, keepMs: Math.max(forgetMs, 1.5 * intervalMs) }
      const label = nameLabel(name)
      if (isCertificate && times.exp !== undefined)
        certificates.set(JSON.stringify([vault, name]), { vault, label, exp: times.exp }, owner)
      const labels = { object_type: type, object_name: label, vault }
      objects.set(JSON.stringify(labels), { labels, times }, owner)
    },
    text: metrics.text,
  }
}

interface CertificateTime {
  vault: string
  label: string
  /** Seconds since the epoch. */
  exp: number
}

/** Of the mounted certificates that share a label, the one that expires first. */
function firstOfEach(certificates: readonly CertificateTime[]): CertificateTime[] {
  const first = new Map<string, CertificateTime>()
  for (const one of certificates) {
    const label = JSON.stringify([one.vault, one.label])
    if (one.exp < (first.get(label)?.exp ?? Number.POSITIVE_INFINITY)) first.set(label, one)
  }
  return [...first.values()]
}

type EntraResult = 'ok' | 'refused' | 'throttled' | 'unreachable'

/** Undefined for what is counted where the answer comes, or never reached Entra. */
function entraResultOf(outcome: 'ok' | Error): EntraResult | undefined {
  if (outcome === 'ok') return 'ok'
  const code = outcome instanceof IdentityError ? outcome.code : ''
  if (code === 'entra-throttled' || !code.startsWith('entra-')) return undefined
  return code === 'entra-unreachable' ? 'unreachable' : 'refused'
}

const nameLabels: Record<ObjectNameLabels, (name: string) => string> = {
  plain: (name) => name,
  hashed: (name) => createHash('sha256').update(name).digest('hex').slice(0, 12),
  none: () => '',
}
