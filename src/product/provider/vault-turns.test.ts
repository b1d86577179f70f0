import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createManualClock } from '../../../test/support/manual-clock.ts'
import { providerLimits } from './provider-limits.ts'
import { createTickTurns } from './vault-turns.ts'

/** Turns in which each read takes `ms`, and the most that were under way at once for each vault. */
function startTurns(ms: number) {
  const clock = createManualClock()
  const turns = createTickTurns({ clock })
  const running = new Map<string, number>()
  const most: Record<string, number> = {}
  const read = (origin: string, value: number) =>
    turns.run(origin, 'shop', async () => {
      const count = (running.get(origin) ?? 0) + 1
      running.set(origin, count)
      most[origin] = Math.max(most[origin] ?? 0, count)
      await new Promise((resolve) => clock.after(ms, () => resolve(undefined)))
      running.set(origin, (running.get(origin) ?? 0) - 1)
      if (value < 0) throw new Error('refused')
      return value
    })
  return { clock, most, read }
}

test('two reads of a tick are under way at once for each vault', async () => {
  const { clock, most, read } = startTurns(30)
  const all = Promise.all([1, 2, 3, 4, 5, 6, 7, 8].flatMap((value) => [read('a', value), read('b', value)]))
  await clock.advance(1000)
  assert.deepEqual((await all).toSorted(), [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8])
  assert.deepEqual(most, { a: 2, b: 2 })
})

test('a read that has waited for some seconds waits no longer, and is made once', async () => {
  const { clock, most, read } = startTurns(60_000)
  const all = Promise.allSettled([1, 2, 3, -4].map((value) => read('a', value)))
  await clock.advance(providerLimits.tickWaitMs.value)
  assert.deepEqual(most, { a: 4 })
  await clock.advance(60_000)
  assert.deepEqual(
    (await all).map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'rejected'],
  )
})

test('a read that fails frees its place', async () => {
  const { clock, read } = startTurns(30)
  const all = Promise.allSettled([-1, -2, 3].map((value) => read('a', value)))
  await clock.advance(1000)
  assert.deepEqual(
    (await all).map(({ status }) => status),
    ['rejected', 'rejected', 'fulfilled'],
  )
})
