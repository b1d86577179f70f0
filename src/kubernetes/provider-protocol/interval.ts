/**
 * Attribute of a mount request: the longest time, in milliseconds, until the volume is read again by itself, where that is more than
 * half an hour. Our provider keeps the ages of its objects for its metrics that long; other providers ignore it.
 */
export const intervalAttribute = 'keymount.dev/interval-ms'

/** Undefined where it is shorter. */
export function intervalText(intervalMs: number): string | undefined {
  return intervalMs > 30 * 60_000 ? String(intervalMs) : undefined
}

const longest = 31 * 24 * 60 * 60_000

/** 0 for anything else than a time. */
export function intervalIn(text: string | undefined): number {
  return text !== undefined && /^\d{1,12}$/.test(text) ? Math.min(Number(text), longest) : 0
}
