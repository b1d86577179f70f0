/** The value below which this share of the samples lies, 0 to 1. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** One digit after the point. */
export function rounded(value: number): number {
  return Math.round(value * 10) / 10
}
