import type { Causes } from '../api-error.ts'

/** A number, where there is one, must be within a range, both ends included. */
export function checkRange(causes: Causes, field: string, found: unknown, least: number, most: number): void {
  if (typeof found !== 'number' || (found >= least && found <= most)) return
  causes.invalid(field, found, `must be between ${least} and ${most}, inclusive`)
}

export function checkNotNegative(causes: Causes, field: string, found: unknown): void {
  if (typeof found === 'number' && found < 0) causes.invalid(field, found, 'must be greater than or equal to 0')
}

export function checkPort(causes: Causes, field: string, found: unknown): void {
  checkRange(causes, field, found, 1, 65_535)
}
