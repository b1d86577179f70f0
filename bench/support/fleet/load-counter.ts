import type { Clock } from '#lib'

/** Counts what happens, and the most of it in ten seconds. */
export interface LoadCounter {
  add(): void
  /** Since the last call, and the highest ten seconds of that. */
  take(): { count: number; peak: number }
}

const windowSeconds = 10

export function createLoadCounter(clock: Clock): LoadCounter {
  const bySecond = new Map<number, number>()
  return {
    add() {
      const second = Math.floor(clock.elapsed() / 1000)
      bySecond.set(second, (bySecond.get(second) ?? 0) + 1)
    },
    take() {
      let count = 0
      let peak = 0
      for (const [second, value] of bySecond) {
        count += value
        let inWindow = 0
        for (let other = second; other < second + windowSeconds; other++) inWindow += bySecond.get(other) ?? 0
        peak = Math.max(peak, inWindow)
      }
      bySecond.clear()
      return { count, peak }
    },
  }
}

/** A limit of requests in ten seconds, counted from each full ten seconds. */
export function createLimit(clock: Clock, most: number): { take(): number | undefined } {
  let window = -1
  let used = 0
  return {
    /** Undefined where the request may pass; otherwise seconds to wait. */
    take() {
      const now = clock.elapsed() / 1000
      const current = Math.floor(now / windowSeconds)
      if (current !== window) used = 0
      window = current
      used++
      return used <= most ? undefined : Math.ceil((current + 1) * windowSeconds - now) || 1
    },
  }
}
