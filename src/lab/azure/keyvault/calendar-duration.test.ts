import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addCalendarDuration, parseCalendarDuration } from './calendar-duration.ts'

test('parseCalendarDuration() reads years, months, weeks and days', () => {
  assert.deepEqual(parseCalendarDuration('P90D'), { months: 0, days: 90 })
  assert.deepEqual(parseCalendarDuration('P1Y2M1W3D'), { months: 14, days: 10 })
  for (const text of ['', 'P', '90D', 'PT1H', 'P1D2M', 'P-1D', 'p1d']) {
    assert.equal(parseCalendarDuration(text), undefined, text)
  }
})

test('addCalendarDuration() counts in the calendar, in both directions', () => {
  const seconds = (text: string) => Date.parse(text) / 1000
  const month = { months: 1, days: 0 }
  assert.equal(addCalendarDuration(seconds('2026-01-15T06:00:00Z'), month), seconds('2026-02-15T06:00:00Z'))
  assert.equal(addCalendarDuration(seconds('2026-03-15T06:00:00Z'), month, -1), seconds('2026-02-15T06:00:00Z'))
  const days = { months: 0, days: 30 }
  assert.equal(addCalendarDuration(seconds('2026-03-01T00:00:00Z'), days, -1), seconds('2026-01-30T00:00:00Z'))
})
