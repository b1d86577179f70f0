/**
 * The ISO 8601 durations of Key Vault's policies: whole years, months, weeks and days, such as `P90D` and `P1Y2M`.
 * They count in the calendar: a month is not a number of seconds.
 */
export interface CalendarDuration {
  months: number
  days: number
}

/** Undefined when `text` is not such a duration, or is empty (`P`). */
export function parseCalendarDuration(text: string): CalendarDuration | undefined {
  const match = /^P(?:(\d{1,3})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?$/.exec(text)
  if (match === null || text === 'P') return undefined
  const [years = 0, months = 0, weeks = 0, days = 0] = match.slice(1).map((digits) => Number(digits ?? 0))
  return { months: 12 * years + months, days: 7 * weeks + days }
}

/** `duration` after `seconds` (since the epoch), or before it when `direction` is -1. */
export function addCalendarDuration(
  seconds: number,
  { months, days }: CalendarDuration,
  direction: 1 | -1 = 1,
): number {
  const date = new Date(seconds * 1000)
  date.setUTCMonth(date.getUTCMonth() + direction * months)
  date.setUTCDate(date.getUTCDate() + direction * days)
  return Math.floor(date.getTime() / 1000)
}

/** For comparing durations: a month counts 30 days, as in the limits of Key Vault. */
export function roughDays({ months, days }: CalendarDuration): number {
  return 30 * months + days
}
