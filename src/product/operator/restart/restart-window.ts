/** A span of each of some days, in minutes of the day in UTC. One whose end is not after its start ends on the next day. */
export interface RestartWindow {
  /** Sunday is 0. */
  days: ReadonlySet<number>
  fromMinute: number
  toMinute: number
}

export const windowForm =
  'HH:MM-HH:MM in UTC, several separated by commas, with days before it if needed: Mon-Fri 22:00-04:00'

const dayNames = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const allDays: ReadonlySet<number> = new Set([0, 1, 2, 3, 4, 5, 6])
/** More are a mistake, and would cost time at every decision. */
const maxWindows = 20
const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs

/** Windows as a user writes them; undefined for a text that is not {@link windowForm}. */
export function parseWindows(text: string): RestartWindow[] | undefined {
  const entries = text.slice(0, 1000).split(',')
  if (entries.length > maxWindows) return undefined
  const windows = entries.map((entry) => parseWindow(entry.trim()))
  return windows.every((window) => window !== undefined) ? windows : undefined
}

function parseWindow(text: string): RestartWindow | undefined {
  const match = /^(?:([A-Z][a-z]{2})(?:-([A-Z][a-z]{2}))? +)?(\d\d):(\d\d)-(\d\d):(\d\d)$/.exec(text)
  if (match === null) return undefined
  const [, firstDay, lastDay, ...numbers] = match
  const [fromHour = 0, fromMinute = 0, toHour = 0, toMinute = 0] = numbers.map(Number)
  const days = firstDay === undefined ? allDays : daysBetween(firstDay, lastDay ?? firstDay)
  const isTime = (hour: number, minute: number) => minute < 60 && (hour < 24 || (hour === 24 && minute === 0))
  if (days === undefined || fromHour > 23 || !isTime(fromHour, fromMinute) || !isTime(toHour, toMinute))
    return undefined
  return { days, fromMinute: fromHour * 60 + fromMinute, toMinute: toHour * 60 + toMinute }
}

function daysBetween(first: string, last: string): Set<number> | undefined {
  const [from, to] = [dayNames.indexOf(first), dayNames.indexOf(last)]
  if (from < 0 || to < 0) return undefined
  const length = ((to - from + 7) % 7) + 1
  return new Set(Array.from({ length }, (_, index) => (from + index) % 7))
}

/** The first moment from `now` on that is inside a window: `now` itself inside one, and without windows. */
export function nextOpening(windows: readonly RestartWindow[], now: number): number {
  if (windows.length === 0) return now
  const today = Math.floor(now / dayMs) * dayMs
  // A window of yesterday may not have ended, and one day in a week may be the only one.
  const spans = windows.flatMap((window) =>
    [-1, 0, 1, 2, 3, 4, 5, 6, 7].flatMap((day) => spanOn(window, today + day * dayMs)),
  )
  return Math.min(...spans.filter(([, end]) => end > now).map(([start]) => Math.max(start, now)))
}

/** The window as it opens on a day: none or one pair of start and end. */
function spanOn({ days, fromMinute, toMinute }: RestartWindow, midnight: number): [number, number][] {
  if (!days.has(new Date(midnight).getUTCDay())) return []
  const length = toMinute > fromMinute ? toMinute - fromMinute : toMinute - fromMinute + 24 * 60
  return [[midnight + fromMinute * minuteMs, midnight + (fromMinute + length) * minuteMs]]
}
