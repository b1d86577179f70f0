import type { Clock } from '#lib'

/** A timer further away than this is set in steps, because Node's timers end at 24.8 days. */
const maxWaitMs = 3_600_000

export interface DueTimer {
  /** Sets the timer for what is due next, by `clock.elapsed()`; infinity for nothing. */
  set(dueAt: number): void
  stop(): void
}

/** One timer for whichever of several things is due next. */
export function createDueTimer(clock: Clock, run: () => void): DueTimer {
  let cancel = () => {}
  return {
    set(dueAt) {
      cancel()
      if (dueAt === Number.POSITIVE_INFINITY) return
      cancel = clock.after(Math.min(Math.max(dueAt - clock.elapsed(), 0), maxWaitMs), run)
    },
    stop: () => cancel(),
  }
}
