import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createRotationSchedule } from './rotation-schedule.ts'

const minute = 60_000

test('ticks of one interval are the same for all volumes of the node, and exactly an interval apart', () => {
  const { nextTick } = createRotationSchedule(0.25)
  const first = nextTick(2 * minute, 1_000_000)
  assert.equal(nextTick(2 * minute, 1_000_100), first)
  assert.equal(nextTick(2 * minute, first), first + 2 * minute)
})

test('a tick is after now and at most an interval away, wherever it lies', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      fc.integer({ min: 1000, max: 86_400_000 }),
      fc.integer({ min: 0, max: 4e12 }),
      (random, interval, now) => {
        const tick = createRotationSchedule(random).nextTick(interval, now)
        assert.ok(tick > now && tick <= now + interval + 1)
      },
    ),
  )
})

test('after failures it is tried soon, then less often, never later than the tick', () => {
  const { nextTry, nextTick } = createRotationSchedule(0)
  const now = 3_600_000
  assert.equal(nextTry(60 * minute, now, 1), now + 15_000)
  assert.equal(nextTry(60 * minute, now, 3), now + 60_000)
  assert.equal(nextTry(60 * minute, now, 50), now + 300_000)
  assert.equal(nextTry(10_000, now, 1), nextTick(10_000, now))
})
