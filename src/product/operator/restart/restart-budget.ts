import type { Clock } from '#lib'

export interface BudgetOptions {
  perMinute: number
  burst: number
  clock: Clock
}

/** How many workloads may be restarted, cluster-wide and in each namespace. */
export interface RestartBudget {
  /** Takes one restart of a namespace, if there is one. */
  take(namespace: string): boolean
  /** Of a restart that turned out not to be needed. */
  giveBack(namespace: string): void
  /** Milliseconds until {@link take} succeeds for one of these namespaces. */
  waitMs(namespaces: Iterable<string>): number
}

interface Bucket {
  tokens: number
  /** Of `clock.elapsed()`. */
  filledAt: number
}

/**
 * Token buckets. The cluster's is empty at the start, so that an operator that is killed repeatedly restarts no more
 * than one that lives; a namespace has half of the rate and of the burst, so that it leaves the rest to others.
 */
export function createRestartBudget({ perMinute, burst, clock }: BudgetOptions): RestartBudget {
  const perMs = perMinute / 60_000
  const cluster: Bucket = { tokens: 0, filledAt: clock.elapsed() }
  const half = { perMs: perMs / 2, burst: Math.max(burst / 2, 1) }
  const namespaces = new Map<string, Bucket>()

  function fill(bucket: Bucket, rate: number, most: number): Bucket {
    const now = clock.elapsed()
    bucket.tokens = Math.min(most, bucket.tokens + (now - bucket.filledAt) * rate)
    bucket.filledAt = now
    return bucket
  }
  function bucketOf(namespace: string): Bucket {
    const bucket = namespaces.get(namespace) ?? { tokens: 1, filledAt: clock.elapsed() }
    namespaces.set(namespace, bucket)
    return fill(bucket, half.perMs, half.burst)
  }
  /** A full bucket is as good as none. */
  function forget(): void {
    for (const [namespace] of namespaces) if (bucketOf(namespace).tokens >= half.burst) namespaces.delete(namespace)
  }

  return {
    take(namespace) {
      const [all, own] = [fill(cluster, perMs, burst), bucketOf(namespace)]
      // Sums of fractions are not exact.
      if (all.tokens < 1 - 1e-9 || own.tokens < 1 - 1e-9) return false
      all.tokens -= 1
      own.tokens -= 1
      if (namespaces.size > 1000) forget()
      return true
    },
    giveBack(namespace) {
      fill(cluster, perMs, burst).tokens += 1
      bucketOf(namespace).tokens += 1
    },
    waitMs(names) {
      const missing = (bucket: Bucket, rate: number) => Math.max(0, (1 - bucket.tokens) / rate)
      const shortest = Math.min(...[...names].map((name) => missing(bucketOf(name), half.perMs)))
      return Math.ceil(Math.max(missing(fill(cluster, perMs, burst), perMs), shortest))
    },
  }
}
