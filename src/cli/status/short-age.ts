const units = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'm'],
  [1, 's'],
] as const

/** How long ago a time is, or `in 5m` for one to come, in one unit as kubectl prints it; empty if it is not known. This file also runs in the browser. */
export function shortAge(time: string | null, nowMs: number): string {
  const ms = time === null ? Number.NaN : nowMs - Date.parse(time)
  if (Number.isNaN(ms)) return ''
  const seconds = Math.round(Math.abs(ms) / 1000)
  // 100 minutes are more exact than 1 hour.
  const [size, unit] = units.find(([one]) => seconds >= one * (one === 86_400 ? 2 : one === 1 ? 0 : 2)) ?? [1, 's']
  const text = `${Math.floor(seconds / size)}${unit}`
  return ms < -1000 ? `in ${text}` : text
}
