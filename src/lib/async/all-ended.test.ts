import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { allEnded } from './all-ended.ts'

test('allEnded() gives every result in order', async () => {
  assert.deepEqual(await allEnded([Promise.resolve(1), 'two']), [1, 'two'])
})

test('allEnded() throws a failure only after everything else has ended', async () => {
  let ended = false
  const slow = async () => {
    await setImmediate()
    ended = true
  }
  await assert.rejects(
    allEnded([slow(), Promise.reject(new Error('first')), Promise.reject(new Error('second'))]),
    /first/,
  )
  assert.equal(ended, true)
})
