import { createHeap } from '../support/heap.ts'
import { untilIdle } from './idle.ts'

/** One true time for all processes of a run, and what happens when. Nothing happens between two events. */
export interface SimulatedTime {
  /** Milliseconds since the run began. */
  readonly now: number
  /** Events that have happened. */
  readonly count: number
  /** Calls `run` after `ms`; the returned function cancels it. */
  after(ms: number, run: () => void): () => void
  /** Lets everything happen up to `end`; `check` is called after each event. */
  runUntil(end: number, check: () => void): Promise<void>
}

interface Event {
  at: number
  /** Order of creation, so that events of one moment have an order too. */
  order: number
  run: () => void
  cancelled: boolean
}

export function createSimulatedTime(): SimulatedTime {
  const events = createHeap(isBefore)
  let now = 0
  let count = 0
  let order = 0
  return {
    get now() {
      return now
    },
    get count() {
      return count
    },
    after(ms, run) {
      const event = { at: now + Math.max(ms, 0), order: order++, run, cancelled: false }
      events.push(event)
      return () => {
        event.cancelled = true
      }
    },
    async runUntil(end, check) {
      await untilIdle()
      check()
      for (let next = events.first(); next !== undefined && next.at <= end; next = events.first()) {
        events.pop()
        if (next.cancelled) continue
        now = next.at
        count++
        next.run()
        await untilIdle()
        check()
      }
      now = end
    },
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
