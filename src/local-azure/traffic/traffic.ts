/**
 * What a test or a demo may do to the traffic: slow it down, break a host, and count what arrived.
 */
export type Fault =
  /** The host looks down: open tunnels are cut, new ones reset. */
  | { kind: 'unreachable' }
  /** Every request is answered 429. */
  | { kind: 'throttle'; retryAfterSeconds: number }
  /** Every request is answered with this status. */
  | { kind: 'error'; status: number }

export interface Traffic {
  /** Milliseconds that every answer waits. */
  delayMs: number
  faultOf(host: string): Fault | undefined
  setFault(host: string, fault: Fault | undefined): void
  faults(): Record<string, Fault>
  count(operation: string): void
  counts(): Record<string, number>
  forgetCounts(): void
}

export function createTraffic(options: { delayMs: number; onUnreachable: (host: string) => void }): Traffic {
  const faults = new Map<string, Fault>()
  const counts = new Map<string, number>()
  return {
    delayMs: options.delayMs,
    faultOf: (host) => faults.get(host),
    setFault(host, fault) {
      if (fault === undefined) faults.delete(host)
      else faults.set(host, fault)
      if (fault?.kind === 'unreachable') options.onUnreachable(host)
    },
    faults: () => Object.fromEntries(faults),
    count(operation) {
      counts.set(operation, (counts.get(operation) ?? 0) + 1)
    },
    counts: () => Object.fromEntries([...counts].toSorted(([a], [b]) => a.localeCompare(b))),
    forgetCounts: () => counts.clear(),
  }
}
