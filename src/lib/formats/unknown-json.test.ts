import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { listOf, recordOf, stringOf, valueAt } from './unknown-json.ts'

test('of every JSON value, the helper of its kind gives it back and the others give undefined', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const kinds = [recordOf(value), listOf(value), stringOf(value)].filter((found) => found !== undefined)
      const isScalar = value === null || typeof value === 'number' || typeof value === 'boolean'
      assert.deepEqual(kinds, isScalar ? [] : [value])
    }),
  )
})

test('valueAt() follows names and indexes, and nothing that is inherited', () => {
  const value = JSON.parse('{"a":[{"b":1},null],"__proto__":{"c":2}}')
  assert.equal(valueAt(value, 'a', 0, 'b'), 1)
  assert.equal(valueAt(value, '__proto__', 'c'), 2)
  assert.equal(valueAt(value), value)
  for (const path of [['a', 1, 'b'], ['a', 2], ['a', 'b'], ['toString'], ['constructor', 'name'], ['a', 0, 'b', 'c']]) {
    assert.equal(valueAt(value, ...path), undefined)
  }
  assert.equal(valueAt('text', 0), undefined)
})
