import { setImmediate } from 'node:timers/promises'
import type { Clock } from '#lib'
import { createHeap } from '../../../test/support/heap.ts'

/** Time of a model of thousands of nodes: it moves from one event to the next, and events of the same moment happen together. */
export interface FleetTime {
  readonly clock: Clock
  /** Work outside of the model, which time waits for. */
  outside<T>(work: () => Promise<T>): Promise<T>
  /** Lets everything happen up to `ms`, by `clock.elapsed()`. */
  runUntil(ms: number): Promise<void>
}

/** Moments are this far apart: fine enough for counts of ten seconds. */
const momentMs = 50

export function createFleetTime(epoch: number): FleetTime {
  const moments = new Map<number, (() => void)[]>()
  const heap = createHeap<number>((a, b) => a < b)
  let now = 0
  let busy = 0
  const untilIdle = async () => {
    do {
      await setImmediate()
      await setImmediate()
    } while (busy > 0)
  }
  const clock: Clock = {
    now: () => epoch + now,
    elapsed: () => now,
    after(ms, run) {
      const at = Math.ceil((now + Math.max(ms, 1)) / momentMs) * momentMs
      let cancelled = false
      const list = moments.get(at)
      const callback = () => {
        if (!cancelled) run()
      }
      if (list === undefined) {
        moments.set(at, [callback])
        heap.push(at)
      } else list.push(callback)
      return () => {
        cancelled = true
      }
    },
  }
  return {
    clock,
    async outside(work) {
      busy++
      try {
        return await work()
      } finally {
        busy--
      }
    },
    async runUntil(end) {
      await untilIdle()
      for (let next = heap.first(); next !== undefined && next <= end; next = heap.first()) {
        heap.pop()
        now = next
        const list = moments.get(next) ?? []
        moments.delete(next)
        for (const run of list) run()
        await untilIdle()
      }
      now = end
    },
  }
}
