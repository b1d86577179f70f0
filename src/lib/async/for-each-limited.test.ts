import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forEachLimited } from './for-each-limited.ts'

test('forEachLimited() works on every item, and never on more than the limit', async () => {
  const seen: number[] = []
  let running = 0
  let most = 0
  await forEachLimited([1, 2, 3, 4, 5], 2, async (item) => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setImmediate(resolve))
    running--
    seen.push(item)
  })
  assert.deepEqual(seen, [1, 2, 3, 4, 5])
  assert.equal(most, 2)
})

test('forEachLimited() rejects with a failure, and begins nothing after it', async () => {
  const begun: number[] = []
  const work = async (item: number) => {
    begun.push(item)
    await new Promise((resolve) => setImmediate(resolve))
    if (item === 1) throw new Error('one')
  }
  await assert.rejects(forEachLimited([1, 2, 3, 4, 5, 6], 1, work), /one/)
  assert.deepEqual(begun, [1])
})
