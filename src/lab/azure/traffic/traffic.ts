import type { Clock } from '#lib'

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
  /** Undefined ends the host's fault; `forMs` ends it by itself after that time. */
  setFault(host: string, fault: Fault | undefined, forMs?: number): void
  faults(): Record<string, Fault & { untilMs?: number }>
  count(operation: string): void
  counts(): Record<string, number>
  forgetCounts(): void
}

export interface TrafficOptions {
  delayMs: number
  onUnreachable: (host: string) => void
  clock: Clock
}

export function createTraffic(options: TrafficOptions): Traffic {
  const { clock } = options
  const faults = new Map<string, { fault: Fault; untilMs: number }>()
  const counts = new Map<string, number>()

  function present() {
    for (const [host, { untilMs }] of faults) if (untilMs <= clock.now()) faults.delete(host)
    return faults
  }

  return {
    delayMs: options.delayMs,
    faultOf: (host) => present().get(host)?.fault,
    setFault(host, fault, forMs = Number.POSITIVE_INFINITY) {
      if (fault === undefined) faults.delete(host)
      else faults.set(host, { fault, untilMs: clock.now() + forMs })
      if (fault?.kind === 'unreachable') options.onUnreachable(host)
    },
    faults: () =>
      Object.fromEntries(
        [...present()].map(([host, { fault, untilMs }]) => [
          host,
          { ...fault, ...(Number.isFinite(untilMs) && { untilMs }) },
        ]),
      ),
    count(operation) {
      counts.set(operation, (counts.get(operation) ?? 0) + 1)
    },
    counts: () => Object.fromEntries([...counts].toSorted(([a], [b]) => a.localeCompare(b))),
    forgetCounts: () => counts.clear(),
  }
}
