import type { Clock } from '#lib'

/** A clock that can run faster than the real one, so that hours of waiting take minutes. */
export interface FastClock extends Clock {
  /** From now on, so many seconds of this clock pass in a real one. */
  setSpeed(factor: number): void
}

interface Timer {
  /** By `elapsed`. */
  at: number
  run: () => void
  handle: NodeJS.Timeout | undefined
}

/** Starts at the present, with the speed of the real clock. */
export function createFastClock(): FastClock {
  const epoch = Date.now()
  let speed = 1
  let changedAt = performance.now()
  let before = 0
  const timers = new Set<Timer>()
  const elapsed = () => before + (performance.now() - changedAt) * speed
  const arm = (timer: Timer) => {
    clearTimeout(timer.handle)
    const ms = Math.max(0, (timer.at - elapsed()) / speed)
    timer.handle = setTimeout(() => {
      timers.delete(timer)
      timer.run()
    }, ms)
    timer.handle.unref()
  }
  return {
    now: () => epoch + elapsed(),
    elapsed,
    after(ms, run) {
      const timer: Timer = { at: elapsed() + ms, run, handle: undefined }
      timers.add(timer)
      arm(timer)
      return () => {
        clearTimeout(timer.handle)
        timers.delete(timer)
      }
    },
    setSpeed(factor) {
      before = elapsed()
      changedAt = performance.now()
      speed = factor
      for (const timer of timers) arm(timer)
    },
  }
}
