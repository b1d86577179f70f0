import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Running } from '#lib'

const everyMs = 3000
/** Collected again once the heap has grown by this much since the last time, and at least by that many bytes. */
const growth = 1.1
const leastBytes = 8 * 1024 * 1024

/**
 * Gives memory back to the machine. The lists of a large cluster leave several times as much garbage as they leave in use, which V8
 * has no reason to collect while the process has nothing else to do.
 */
export function releaseMemory(): Running {
  setFlagsFromString('--expose-gc')
  // Rows are made by the thousand and stay: room that grows for objects that are soon gone would only be kept.
  setFlagsFromString('--semi-space-growth-factor=1')
  const collect = runInNewContext('gc') as (options: { type: 'major'; flavor: 'last-resort' }) => void
  let kept = process.memoryUsage().heapUsed
  const timer = setInterval(() => {
    const { heapUsed } = process.memoryUsage()
    if (heapUsed < kept * growth || heapUsed - kept < leastBytes) return
    collect({ type: 'major', flavor: 'last-resort' })
    kept = process.memoryUsage().heapUsed
  }, everyMs)
  timer.unref()
  return { stop: async () => clearInterval(timer) }
}
