import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Running } from '#lib'

const everyMs = 250
const pauseMs = 3000
const mebibyte = 1024 * 1024
/** Pages of lists and lines of rows are buffers. malloc keeps the room that they once took, so it must not become much. */
const mostBuffers = 8 * mebibyte
/** A heap that has grown by less is not worth a collection. */
const leastGrowth = 4 * mebibyte

interface Collection {
  type: 'major'
  flavor?: 'last-resort'
}

/**
 * Gives memory back to the machine. The lists of a large cluster leave several times as much garbage as they leave in use, which V8
 * has no reason to collect: not while they are read, and not while the process has nothing else to do.
 */
export function releaseMemory(): Running {
  setFlagsFromString('--expose-gc')
  // Rows are made by the thousand and stay: room that grows for objects that are soon gone would only be kept.
  setFlagsFromString('--semi-space-growth-factor=1')
  const collect = runInNewContext('gc') as (options: Collection) => void
  const kept = { heap: process.memoryUsage().heapUsed, buffers: 0 }
  let wasGarbage = false
  let dueAt = 0
  const timer = setInterval(() => {
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    if (arrayBuffers > kept.buffers + mostBuffers) {
      collect({ type: 'major' })
      kept.buffers = process.memoryUsage().arrayBuffers
      return
    }
    const isGarbage = heapUsed > kept.heap + leastGrowth
    if (performance.now() < dueAt || (!isGarbage && !wasGarbage)) return
    collect({ type: 'major', flavor: 'last-resort' })
    kept.heap = process.memoryUsage().heapUsed
    // What calls that were under way still held is garbage by the next check.
    wasGarbage = isGarbage
    dueAt = performance.now() + pauseMs
  }, everyMs)
  timer.unref()
  return { stop: async () => clearInterval(timer) }
}
