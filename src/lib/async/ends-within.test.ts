import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endsWithin } from './ends-within.ts'

const forever = new Promise(() => {})

test('endsWithin() is true for a promise that is fulfilled or rejected in time', async () => {
  assert.equal(await endsWithin(Promise.resolve(), 10_000), true)
  assert.equal(await endsWithin(Promise.reject(new Error('failed')), 10_000), true)
})

test('endsWithin() is false for a promise that takes longer, and at once when the signal aborts', async () => {
  assert.equal(await endsWithin(forever, 1), false)
  const controller = new AbortController()
  const waiting = endsWithin(forever, 10_000, { signal: controller.signal })
  controller.abort()
  assert.equal(await waiting, false)
  assert.equal(await endsWithin(Promise.resolve(), 10_000, { signal: controller.signal }), false)
})

test('endsWithin() handles a rejection that comes after its signal has aborted', async () => {
  const { promise, reject } = Promise.withResolvers<void>()
  assert.equal(await endsWithin(promise, 10_000, { signal: AbortSignal.abort() }), false)
  // An unhandled one would fail the test.
  reject(new Error('late'))
  await new Promise(setImmediate)
})

test('endsWithin() leaves no timer behind', async () => {
  let timers = 0
  const clock = {
    now: () => 0,
    elapsed: () => 0,
    after() {
      timers++
      return () => void timers--
    },
  }
  await endsWithin(Promise.resolve(), 10_000, { clock })
  assert.equal(timers, 0)
})
