/**
 * Go durations (`90s`, `1h30m`, `250ms`), as flags and classes of the upstream projects have them.
 * Grammar: https://pkg.go.dev/time#ParseDuration. Here a duration is a number of milliseconds.
 */
const unitMs: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** Milliseconds, or undefined when `text` is not a Go duration. */
export function parseDuration(text: string): number | undefined {
  const match = /^([+-]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)$/.exec(text)
  if (match === null) return undefined
  let total = 0
  for (const [, amount, unit] of (match[2] ?? '').matchAll(/([\d.]+)([a-zµμ]+)/gy)) {
    total += Number(amount) * (unitMs[unit ?? ''] ?? Number.NaN)
  }
  return match[1] === '-' ? -total : total
}

/** A duration in the shortest form people write: `2m`, `1m30s`, `250ms`. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`
  if (ms < 1000) return ms === 0 ? '0s' : `${Number(ms.toFixed(3))}ms`
  const hours = Math.floor(ms / 3_600_000)
  const minutes = Math.floor((ms % 3_600_000) / 60_000)
  const seconds = Number(((ms % 60_000) / 1000).toFixed(3))
  return `${hours > 0 ? `${hours}h` : ''}${minutes > 0 ? `${minutes}m` : ''}${seconds > 0 ? `${seconds}s` : ''}`
}
