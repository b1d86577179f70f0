import type { Clock } from '#lib'

/** Time stops until the code under test waits, and then jumps to the end of the wait. */
export function createHurryingClock(): Clock {
  let now = 0
  return {
    now: () => now,
    elapsed: () => now,
    after(ms, run) {
      const timer = setImmediate(() => {
        now += ms
        run()
      })
      return () => clearImmediate(timer)
    },
  }
}
