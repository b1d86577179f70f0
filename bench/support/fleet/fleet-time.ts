import { setImmediate } from 'node:timers/promises'
import type { Clock } from '#lib'

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
  const heap: number[] = []
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
        push(heap, at)
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
      for (let next = heap[0]; next !== undefined && next <= end; next = heap[0]) {
        pop(heap)
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

function push(heap: number[], value: number): void {
  let index = heap.push(value) - 1
  for (let parent = (index - 1) >> 1; index > 0 && (heap[parent] ?? 0) > value; parent = (index - 1) >> 1) {
    heap[index] = heap[parent] ?? 0
    index = parent
  }
  heap[index] = value
}

function pop(heap: number[]): void {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  let index = 0
  for (let child = 1; child < heap.length; child = 2 * index + 1) {
    const other = heap[child + 1]
    if (other !== undefined && other < (heap[child] ?? 0)) child++
    if ((heap[child] ?? 0) >= last) break
    heap[index] = heap[child] ?? 0
    index = child
  }
  heap[index] = last
}
