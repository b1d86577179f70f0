import type { Clock } from '#lib'

/** Time that moves only when a test moves it. */
export interface ManualClock extends Clock {
  /** Moves both clocks forward and runs due timers in order; before each step, work that is already under way proceeds. */
  advance(ms: number): Promise<void>
  /** Steps the wall clock (`now`) by `ms`, backwards when negative, as an administrator or NTP does. `elapsed` and timers are unaffected. */
  stepWallClock(ms: number): void
}

/**
 * Starts near the present, because servers next to it discard old times, and on a multiple of ten minutes.
 * `elapsed` starts at zero, so that code which mixes up the two clocks fails.
 */
export function createManualClock(start = Math.floor(Date.now() / 600_000) * 600_000): ManualClock {
  let offset = start
  let elapsed = 0
  let next = 0
  const timers = new Map<number, { at: number; run: () => void }>()
  const proceed = () => new Promise((resolve) => setImmediate(resolve))
  return {
    now: () => offset + elapsed,
    elapsed: () => elapsed,
    after(ms, run) {
      const id = next++
      timers.set(id, { at: elapsed + ms, run })
      return () => timers.delete(id)
    },
    stepWallClock(ms) {
      offset += ms
    },
    async advance(ms) {
      const end = elapsed + ms
      for (;;) {
        await proceed()
        const [id, timer] = [...timers].toSorted(([, a], [, b]) => a.at - b.at)[0] ?? []
        if (id === undefined || timer === undefined || timer.at > end) break
        timers.delete(id)
        elapsed = Math.max(elapsed, timer.at)
        timer.run()
      }
      elapsed = end
      await proceed()
    },
  }
}
