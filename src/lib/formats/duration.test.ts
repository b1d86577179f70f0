import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatDuration, parseDuration } from './duration.ts'

test('parseDuration() reads what Go reads', () => {
  const rows: [string, number][] = [
    ['0', 0],
    ['30s', 30_000],
    ['2m', 120_000],
    ['1h30m', 5_400_000],
    ['1.5s', 1500],
    ['.5s', 500],
    ['250ms', 250],
    ['-1m', -60_000],
    ['+5s', 5000],
    ['1us', 0.001],
  ]
  for (const [text, ms] of rows) assert.equal(parseDuration(text), ms, text)
})

test('parseDuration() refuses what Go refuses', () => {
  for (const text of ['', '5', 's', '5 s', '1d', '--5s', '5s ', '1.2.3s'])
    assert.equal(parseDuration(text), undefined, text)
})

test('a formatted duration reads back as the same time', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10 * 86_400_000 }), (ms) => {
      assert.equal(parseDuration(formatDuration(ms)), ms)
    }),
  )
})
