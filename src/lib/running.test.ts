import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createInstantClock } from '../../test/support/instant-clock.ts'
import { repeat } from './running.ts'

test('repeat() runs a step at once, or after its first wait, and again after the time that each run gives', async () => {
  for (const firstMs of [undefined, 5]) {
    const clock = createInstantClock()
    const { promise: ended, resolve: end } = Promise.withResolvers<void>()
    let runs = 0
    const running = repeat(
      async () => {
        if (++runs === 3) end()
        return runs * 10
      },
      { clock, firstMs },
    )
    await ended
    await running.stop()
    assert.equal(runs, 3)
    assert.deepEqual(
      clock.waits.slice(0, firstMs === undefined ? 2 : 3),
      firstMs === undefined ? [10, 20] : [5, 10, 20],
    )
  }
})

test('repeat() waits at its stop for the step in progress, whose signal aborts', async () => {
  let isEnded = false
  const running = repeat(
    async (signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      isEnded = true
      return 0
    },
    { clock: createInstantClock() },
  )
  await running.stop()
  assert.equal(isEnded, true)
})
