import type { Clock } from '#lib'

/** A clock on which waiting takes no time and is written down. */
export function createInstantClock(): Clock & { waits: number[] } {
  const waits: number[] = []
  return {
    waits,
    now: () => 0,
    elapsed: () => 0,
    after(ms, run) {
      waits.push(ms)
      queueMicrotask(run)
      return () => undefined
    },
  }
}
