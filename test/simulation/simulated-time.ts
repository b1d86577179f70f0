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
  const events: Event[] = []
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
      push(events, event)
      return () => {
        event.cancelled = true
      }
    },
    async runUntil(end, check) {
      await untilIdle()
      check()
      for (let next = events[0]; next !== undefined && next.at <= end; next = events[0]) {
        pop(events)
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

/** Binary heap, earliest event first. */
function push(heap: Event[], event: Event): void {
  let index = heap.push(event) - 1
  while (index > 0) {
    const parent = (index - 1) >> 1
    const above = heap[parent] as Event
    if (!isBefore(event, above)) break
    heap[index] = above
    index = parent
  }
  heap[index] = event
}

function pop(heap: Event[]): void {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  let index = 0
  for (;;) {
    let child = 2 * index + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++
    const below = heap[child] as Event
    if (!isBefore(below, last)) break
    heap[index] = below
    index = child
  }
  heap[index] = last
}
