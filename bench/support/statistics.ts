/** The value below which this share of the samples lies, 0 to 1. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** One digit after the point. */
export function rounded(value: number): number {
  return Math.round(value * 10) / 10
}

/** The figures of a benchmark, which are printed beside their aims as they come. */
export interface Figures {
  record(name: string, value: number, aim?: string): void
  /** All figures, in one line of JSON. */
  json(): string
}

export function createFigures(): Figures {
  const results: Record<string, number> = {}
  return {
    record(name, value, aim) {
      results[name] = rounded(value)
      console.log(
        `${name.padEnd(64)} ${String(rounded(value)).padStart(10)}${aim === undefined ? '' : `   aim: ${aim}`}`,
      )
    },
    json: () => JSON.stringify(results),
  }
}
