/** Loads of many nodes, each of which begins at a moment of its own. The moments are random, and the same in every run. */

/** The most that arrives within `windowMs` when `nodes` bursts of `size` begin within `spanMs`, which repeats. */
export function peakOfBursts(options: { nodes: number; size: number; spanMs: number; windowMs: number }): number {
  const { nodes, size, spanMs, windowMs } = options
  if (spanMs <= windowMs) return nodes * size
  const begins = Array.from({ length: nodes }, (_, index) => random(index) * spanMs).toSorted((a, b) => a - b)
  const unrolled = [...begins, ...begins.map((at) => at + spanMs)]
  let most = 0
  let first = 0
  for (let last = 0; last < unrolled.length; last++) {
    while ((unrolled[last] ?? 0) - (unrolled[first] ?? 0) >= windowMs) first++
    most = Math.max(most, last - first + 1)
  }
  return most * size
}

/** Uniform in 0 to 1 for each index, the same in every run (Mulberry32). */
function random(index: number): number {
  let state = (index * 0x6d2b79f5) | 0
  state = Math.imul(state ^ (state >>> 15), 1 | state)
  state ^= state + Math.imul(state ^ (state >>> 7), 61 | state)
  return ((state ^ (state >>> 14)) >>> 0) / 4_294_967_296
}
