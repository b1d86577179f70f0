import type { Clock } from '#lib'

/** A fault of one host, for tests and demos. */
export type Fault =
  /** The host looks down: open tunnels are cut, new ones reset. */
  | { kind: 'unreachable' }
  /** Every request is answered with 429. */
  | { kind: 'throttle'; retryAfterSeconds: number }
  /** Every request is answered with this status. */
  | { kind: 'error'; status: number }

/** Delays and faults of the traffic, and counters of its requests. */
export interface Traffic {
  /** Delay of every response, in milliseconds. */
  delayMs: number
  faultOf(host: string): Fault | undefined
  /** Undefined ends the host's fault; with `forMs` it ends automatically. */
  setFault(host: string, fault: Fault | undefined, forMs?: number): void
  /** The current faults by host. `untilMs`: when a fault ends automatically, in milliseconds since the epoch. */
  faults(): Record<string, Fault & { untilMs?: number | undefined }>
  count(operation: string): void
  counts(): Record<string, number>
  resetCounts(): void
}

export interface TrafficOptions {
  delayMs: number
  onUnreachable: (host: string) => void
  clock: Clock
}

export function createTraffic({ delayMs, onUnreachable, clock }: TrafficOptions): Traffic {
  const faults = new Map<string, { fault: Fault; endsAt: number }>()
  const counts = new Map<string, number>()

  function current() {
    for (const [host, { endsAt }] of faults) if (endsAt <= clock.elapsed()) faults.delete(host)
    return faults
  }

  return {
    delayMs,
    faultOf: (host) => current().get(host)?.fault,
    setFault(host, fault, forMs = Number.POSITIVE_INFINITY) {
      if (fault === undefined) faults.delete(host)
      else faults.set(host, { fault, endsAt: clock.elapsed() + forMs })
      if (fault?.kind === 'unreachable') onUnreachable(host)
    },
    faults() {
      const epoch = clock.now() - clock.elapsed()
      const entries = [...current()].map(([host, { fault, endsAt }]) => {
        const untilMs = Number.isFinite(endsAt) ? Math.round(epoch + endsAt) : undefined
        return [host, { ...fault, untilMs }] as const
      })
      return Object.fromEntries(entries)
    },
    count(operation) {
      counts.set(operation, (counts.get(operation) ?? 0) + 1)
    },
    counts: () => Object.fromEntries([...counts].toSorted(([a], [b]) => a.localeCompare(b))),
    resetCounts: () => counts.clear(),
  }
}
