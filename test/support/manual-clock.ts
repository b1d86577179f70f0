import type { Clock } from '#lib'

/** Time that moves only when a test says so. */
export interface ManualClock extends Clock {
  /** Moves on, running what falls due in its order; each step lets what it started proceed first. */
  advance(ms: number): Promise<void>
}

/** Begins near the present, because servers beside it drop what is long ago, and on a multiple of ten minutes. */
export function createManualClock(start = Math.floor(Date.now() / 600_000) * 600_000): ManualClock {
  let now = start
  let next = 0
  const timers = new Map<number, { at: number; run: () => void }>()
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  return {
    now: () => now,
    after(ms, run) {
      const id = next++
      timers.set(id, { at: now + ms, run })
      return () => timers.delete(id)
    },
    async advance(ms) {
      const end = now + ms
      for (;;) {
        await settle()
        const [id, timer] = [...timers].toSorted(([, a], [, b]) => a.at - b.at)[0] ?? []
        if (id === undefined || timer === undefined || timer.at > end) break
        timers.delete(id)
        now = Math.max(now, timer.at)
        timer.run()
      }
      now = end
      await settle()
    },
  }
}
