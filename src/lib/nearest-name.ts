/** A longer name is not a slip of the pen. */
const maxNameLength = 100
/** Names that are compared; a list beyond that is not one that a person chose from. */
const maxNames = 1000

/**
 * The name of `names` with the smallest edit distance to `name`, if it is near enough to be a misspelling. Takes a bounded time:
 * long names, and names after the first 1,000, are not compared.
 */
export function nearestName<T extends string>(name: string, names: readonly T[]): T | undefined {
  if (name.length > maxNameLength) return undefined
  const wanted = name.toLowerCase()
  let best: T | undefined
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of names.slice(0, maxNames)) {
    if (Math.abs(candidate.length - name.length) >= bestDistance) continue
    const distance = editDistance(wanted, candidate.toLowerCase(), bestDistance)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** The edit distance, or some number that is at least `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitute = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next[j] = Math.min(substitute, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1)
    }
    if (Math.min(...next) >= limit) return limit
    row = next
  }
  return row[b.length] ?? 0
}
