import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createManualClock } from '../../../test/support/manual-clock.ts'
import { providerLimits } from './provider-limits.ts'
import { createReadCache, type FailureKind, type ReadCacheOptions, type ReadOutcome } from './read-cache.ts'

const day = 24 * 3_600_000

/** A cache, and what its reads gave. A read of a `FailureKind` fails in that way. */
function startCache(options: ReadCacheOptions = {}) {
  const clock = createManualClock()
  const outcomes: ReadOutcome[] = []
  const cache = createReadCache({ clock, onOutcome: (outcome) => outcomes.push(outcome), ...options })
  const read = (key: string, answer: { value: string; bytes?: number } | FailureKind) =>
    cache
      .read(
        key,
        async () => {
          if (typeof answer === 'string') throw new Error(answer)
          return answer.value
        },
        {
          allowStale: true,
          kindOf: (error) => (error as Error).message as FailureKind,
          sizeOf: () => (typeof answer === 'string' ? 0 : (answer.bytes ?? 10)),
        },
      )
      .catch((error: Error) => `failed: ${error.message}`)
  return { clock, cache, outcomes, read }
}

test('an answer of weeks ago is served in an outage, and no timer is longer than Node can wait', async () => {
  const clock = createManualClock()
  const waits: number[] = []
  const after: typeof clock.after = (ms, run) => {
    waits.push(ms)
    return clock.after(ms, run)
  }
  const { read, cache } = startCache({ staleMs: 30 * day, clock: { ...clock, after } })
  assert.equal(await read('a', { value: 'A' }), 'A')
  await clock.advance(29 * day)
  assert.equal(await read('a', 'outage'), 'A')
  await clock.advance(2 * day)
  assert.equal(await read('a', 'outage'), 'failed: outage')
  assert.ok(waits.every((ms) => ms < 2 ** 31))
  cache.stop()
})

test('a refusal drops the stored answer, and a busy vault does not get it served', async () => {
  const { read, clock } = startCache({ staleMs: day })
  await read('a', { value: 'A' })
  await read('b', { value: 'B' })
  await clock.advance(6000)
  assert.equal(await read('a', 'busy'), 'failed: busy')
  assert.equal(await read('a', 'outage'), 'A')
  assert.equal(await read('a', 'refusal'), 'failed: refusal')
  assert.equal(await read('a', 'outage'), 'failed: outage')
  assert.equal(await read('b', 'outage'), 'B')
})

test('the answers stored for an outage are bounded by bytes: the longest unused goes', async () => {
  const { read, clock } = startCache({ staleMs: day, staleBytes: 25 })
  for (const key of ['a', 'b', 'c']) await read(key, { value: key })
  await clock.advance(6000)
  assert.deepEqual(
    [await read('a', 'outage'), await read('b', 'outage'), await read('c', 'outage')],
    ['failed: outage', 'b', 'c'],
  )
})

test('what is shared after it was read is bounded by bytes, and free again after five seconds', async () => {
  const { read, clock, outcomes } = startCache()
  const half = providerLimits.sharedBytes.value / 2
  for (const key of ['a', 'b', 'c', 'a', 'c']) await read(key, { value: key, bytes: half })
  assert.deepEqual(outcomes, ['read', 'read', 'read', 'shared', 'read'])
  await clock.advance(5000)
  for (const key of ['c', 'c']) await read(key, { value: key, bytes: half })
  assert.deepEqual(outcomes.slice(5), ['read', 'shared'])
})
