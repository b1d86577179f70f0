import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settlesWithin } from './settles-within.ts'

const forever = new Promise(() => {})

test('settlesWithin() is true for a promise that is fulfilled or rejected in time', async () => {
  assert.equal(await settlesWithin(Promise.resolve(), 10_000), true)
  assert.equal(await settlesWithin(Promise.reject(new Error('failed')), 10_000), true)
})

test('settlesWithin() is false for a promise that takes longer, and at once when the signal aborts', async () => {
  assert.equal(await settlesWithin(forever, 1), false)
  const controller = new AbortController()
  const waiting = settlesWithin(forever, 10_000, { signal: controller.signal })
  controller.abort()
  assert.equal(await waiting, false)
  assert.equal(await settlesWithin(Promise.resolve(), 10_000, { signal: controller.signal }), false)
})

test('settlesWithin() leaves no timer behind', async () => {
  let timers = 0
  const clock = {
    now: () => 0,
    elapsed: () => 0,
    after() {
      timers++
      return () => void timers--
    },
  }
  await settlesWithin(Promise.resolve(), 10_000, { clock })
  assert.equal(timers, 0)
})
