import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nextOpening, parseWindows } from './restart-window.ts'

const monday = Date.UTC(2026, 0, 5)
const hourMs = 3_600_000

function opening(text: string, hours: number): number {
  const windows = parseWindows(text)
  assert.ok(windows, text)
  return (nextOpening(windows, monday + hours * hourMs) - monday) / hourMs
}

test('a window opens at its hour in UTC, on its days, also over midnight', () => {
  assert.equal(opening('09:00-17:00', 8), 9)
  assert.equal(opening('09:00-17:00', 10.5), 10.5)
  assert.equal(opening('09:00-17:00', 17), 33)
  assert.equal(opening('22:00-04:00', 2), 2)
  assert.equal(opening('22:00-04:00', 5), 22)
  assert.equal(opening('Sat 22:00-04:00', 3), 5 * 24 + 22)
  assert.equal(opening('Sat-Sun 00:00-24:00', 12), 5 * 24)
  assert.equal(opening('Fri-Mon 01:00-02:00', 3), 4 * 24 + 1)
  assert.equal(opening('Mon 08:00-09:00', 10), 7 * 24 + 8)
  assert.equal(opening('12:00-13:00, 06:00-07:00', 1), 6)
})

test('what is not a window is refused', () => {
  for (const text of [
    '',
    '9:00-17:00',
    '09:00',
    '25:00-26:00',
    '09:60-10:00',
    'Mo 09:00-10:00',
    'mon 09:00-10:00',
    '09:00-10:00,',
    'Mon- 09:00-10:00',
  ])
    assert.equal(parseWindows(text), undefined, text)
})

test('the next opening is the first minute that is inside a window', () => {
  const minute = fc.integer({ min: 0, max: 1439 })
  const window = fc.record({
    days: fc.subarray([0, 1, 2, 3, 4, 5, 6], { minLength: 1 }).map((days) => new Set(days)),
    fromMinute: minute,
    toMinute: minute,
  })
  fc.assert(
    fc.property(
      fc.array(window, { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 0, max: 10_079 }),
      (windows, minutes) => {
        const isOpen = (at: number) => nextOpening(windows, at) === at
        const now = monday + minutes * 60_000
        const next = nextOpening(windows, now)
        assert.ok(next >= now && isOpen(next))
        assert.ok(next === now || !isOpen(next - 60_000))
      },
    ),
  )
})
