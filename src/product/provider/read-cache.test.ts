import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createManualClock } from '../../../test/support/manual-clock.ts'
import { providerLimits } from './provider-limits.ts'
import { createReadCache } from './read-cache.ts'

test('what is shared after it was read is bounded by bytes, and free again after five seconds', async () => {
  const clock = createManualClock()
  const cache = createReadCache({ clock })
  const half = providerLimits.sharedBytes.value / 2
  const read = async (key: string) => (await cache.read(key, async () => key, { sizeOf: () => half })).outcome
  const outcomes: string[] = []
  for (const key of ['a', 'b', 'c', 'a', 'c']) outcomes.push(await read(key))
  assert.deepEqual(outcomes, ['read', 'read', 'read', 'shared', 'read'])
  await clock.advance(5000)
  assert.deepEqual([await read('c'), await read('c')], ['read', 'shared'])
})

test('an answer comes with the time at which it was asked for, also for those who share it', async () => {
  const clock = createManualClock()
  const cache = createReadCache({ clock })
  const answer = Promise.withResolvers<string>()
  const read = () => cache.read('a', () => answer.promise, { sizeOf: () => 1 })
  const started = clock.elapsed()
  const first = read()
  await clock.advance(1000)
  const joined = read()
  await clock.advance(1000)
  answer.resolve('A')
  assert.deepEqual(await first, { value: 'A', outcome: 'read', asked: started })
  assert.deepEqual(await joined, { value: 'A', outcome: 'joined', asked: started })
  assert.deepEqual(await read(), { value: 'A', outcome: 'shared', asked: started })
})

test('a read that failed is not shared, and neither is what was read before it', async () => {
  const cache = createReadCache({ clock: createManualClock() })
  const read = (value: string | Error, notOlderThan?: number) =>
    cache.read('a', async () => (value instanceof Error ? Promise.reject(value) : value), {
      sizeOf: () => 1,
      notOlderThan,
    })
  await read('A')
  await assert.rejects(read(new Error('refused'), Number.POSITIVE_INFINITY), /refused/)
  assert.deepEqual((await read('B')).value, 'B')
})
