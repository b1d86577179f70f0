import { backoffMs } from '#lib/async'

/**
 * When volumes are checked, by `clock.elapsed()`: all volumes of one interval on a common tick of the node, so that a tick
 * reads each object once for all of them; the tick's place in the interval is random per node, so that the nodes of a cluster
 * do not ask at the same time.
 */
export interface RotationSchedule {
  /** The first tick of the interval after `now`; both in milliseconds. */
  nextTick(intervalMs: number, now: number): number
  /**
   * The tick. @param staleCheckAt begin of the last check of a volume that has values from before an outage: such a volume is checked
   * every 15 seconds.
   */
  next(intervalMs: number, now: number, staleCheckAt?: number): number
  /** After a failure: soon, then less and less soon, but never later than {@link next}. @param times failures in a row. */
  nextTry(intervalMs: number, now: number, times: number, staleCheckAt?: number): number
}

const backoff = { initialMs: 15_000, maxMs: 300_000 }
const staleRetryMs = 15_000

/** @param random place of the tick in the interval, 0 to 1. */
export function createRotationSchedule(random: number): RotationSchedule {
  const nextTick = (intervalMs: number, now: number): number => {
    const offset = random * intervalMs
    return (Math.floor((now - offset) / intervalMs) + 1) * intervalMs + offset
  }
  const next = (intervalMs: number, now: number, staleCheckAt = Number.POSITIVE_INFINITY): number =>
    Math.min(nextTick(intervalMs, now), Math.max(staleCheckAt + staleRetryMs, now))
  return {
    nextTick,
    next,
    nextTry(intervalMs, now, times, staleCheckAt) {
      return Math.min(now + backoffMs(times, backoff), next(intervalMs, now, staleCheckAt))
    },
  }
}
