import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createInstantClock } from '../../../test/support/instant-clock.ts'
import { backoffMs, createBackoff, retry } from './retry.ts'

test('createBackoff() doubles up to the longest delay and starts over after reset', () => {
  const backoff = createBackoff({ initialMs: 100, maxMs: 300, jitter: 0 })
  assert.deepEqual([backoff.next(), backoff.next(), backoff.next(), backoff.next()], [100, 200, 300, 300])
  backoff.reset()
  assert.equal(backoff.next(), 100)
})

test('retry() tries again until it succeeds and waits in between', async () => {
  const clock = createInstantClock()
  const result = await retry(
    async (attempt) => {
      if (attempt < 3) throw new Error(`attempt ${attempt}`)
      return attempt
    },
    { clock, jitter: 0, initialMs: 10 },
  )
  assert.equal(result, 3)
  assert.deepEqual(clock.waits, [10, 20])
})

test('retry() throws the last error when its attempts are used up', async () => {
  const run = (attempt: number) => Promise.reject(new Error(`attempt ${attempt}`))
  await assert.rejects(retry(run, { clock: createInstantClock(), attempts: 2 }), /attempt 2/)
})

test('retry() stops at once for an error that must not be retried, and waits as long as the other side asked', async () => {
  let calls = 0
  const fail = () => {
    calls++
    return Promise.reject(new Error('no'))
  }
  await assert.rejects(retry(fail, { shouldRetry: () => false }))
  assert.equal(calls, 1)
  const clock = createInstantClock()
  await assert.rejects(retry(fail, { clock, attempts: 2, shouldRetry: () => 7000 }))
  assert.deepEqual(clock.waits, [7000])
})

test('backoffMs() doubles with each failure in a row, up to the longest wait', () => {
  const waits = [1, 2, 3, 4, 1000].map((failures) => backoffMs(failures, { initialMs: 100, maxMs: 500 }))
  assert.deepEqual(waits, [100, 200, 400, 500, 500])
})
