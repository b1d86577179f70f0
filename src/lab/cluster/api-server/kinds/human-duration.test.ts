import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ageOf, humanDuration } from './human-duration.ts'

test('humanDuration() is as coarse as kubectl’s', () => {
  const rows: [number, string][] = [
    [-2, '<invalid>'],
    [0, '0s'],
    [119, '119s'],
    [120, '2m'],
    [599, '9m59s'],
    [600, '10m'],
    [3 * 3600 - 1, '179m'],
    [3 * 3600, '3h'],
    [3 * 3600 + 60, '3h1m'],
    [8 * 3600, '8h'],
    [48 * 3600, '2d'],
    [50 * 3600, '2d2h'],
    [8 * 86400, '8d'],
    [2 * 365 * 86400, '2y'],
    [(2 * 365 + 3) * 86400, '2y3d'],
    [9 * 365 * 86400, '9y'],
  ]
  for (const [seconds, expected] of rows) assert.equal(humanDuration(seconds * 1000), expected)
  assert.equal(ageOf(undefined, 0), '<unknown>')
})
