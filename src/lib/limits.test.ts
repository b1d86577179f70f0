import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withUnit } from './limits.ts'

test('withUnit() writes numbers as people read them', () => {
  assert.equal(withUnit(256 * 1024, 'bytes'), '256 KiB')
  assert.equal(withUnit(1_048_577, 'bytes'), '1,048,577 bytes')
  assert.equal(withUnit(1536 * 1024, 'bytes'), '1,536 KiB')
  assert.equal(withUnit(1500, 'milliseconds'), '1.5 s')
  assert.equal(withUnit(999, 'milliseconds'), '999 ms')
  assert.equal(withUnit(3_600_000, 'milliseconds'), '3,600 s')
  assert.equal(withUnit(1000, 'count'), '1,000')
  assert.equal(withUnit(0, 'count'), '0')
  assert.equal(withUnit(12, 'characters'), '12 characters')
})
