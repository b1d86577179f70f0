import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fewestSpread, spreadOf } from './spread-seconds.ts'

const rate = 15
const secondsOf = (nodes: number, objects: number, signIns = rate) => {
  const { spreadSeconds, signInSpreadSeconds } = spreadOf({ nodes, objects }, signIns)
  return [spreadSeconds, signInSpreadSeconds]
}

test('reads of nodes with a token are spread from 300 nodes, and sign-ins from more nodes than may sign in within ten seconds', () => {
  assert.deepEqual(secondsOf(0, 10), [0, 0])
  assert.deepEqual(secondsOf(150, 10), [0, 0])
  assert.deepEqual(secondsOf(151, 10), [0, 11])
  assert.deepEqual(secondsOf(299, 1), [0, 20])
  assert.deepEqual(secondsOf(300, 1), [2, 20])
  assert.deepEqual(secondsOf(10_000, 1), [67, 667])
})

test('a class whose reads take longer than the sign-ins has one spread', () => {
  assert.deepEqual(secondsOf(5000, 10), [334, 334])
  assert.deepEqual(secondsOf(5000, 20), [667, 667])
})

test('without a limit of sign-ins, and with one that the reads keep, only reads are spread', () => {
  assert.deepEqual(secondsOf(10_000, 1, 0), [67, 67])
  assert.deepEqual(secondsOf(10_000, 1, 1000), [67, 67])
  assert.equal(fewestSpread(0), 300)
  assert.equal(fewestSpread(1000), 300)
  assert.equal(fewestSpread(15), 151)
})

test('no spread is longer than an hour, and neither limit is exceeded on average by what is shorter', () => {
  const count = (max: number) => fc.integer({ min: 0, max })
  fc.assert(
    fc.property(count(100_000), count(500), count(100), (nodes, objects, signInsPerSecond) => {
      const { spreadSeconds, signInSpreadSeconds } = spreadOf({ nodes, objects }, signInsPerSecond)
      assert.ok(spreadSeconds <= signInSpreadSeconds && signInSpreadSeconds <= 3600)
      const isSpread = nodes >= fewestSpread(signInsPerSecond)
      if (!isSpread) assert.equal(signInSpreadSeconds, 0)
      if (nodes >= 300 && spreadSeconds < 3600) assert.ok(nodes * objects <= 150 * spreadSeconds)
      const isLimited = signInsPerSecond > 0 && nodes > 10 * signInsPerSecond
      if (isLimited && signInSpreadSeconds < 3600) assert.ok(nodes <= signInsPerSecond * signInSpreadSeconds)
    }),
  )
})
