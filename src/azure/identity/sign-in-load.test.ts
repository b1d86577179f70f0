import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createManualClock } from '../../../test/support/manual-clock.ts'
import { createSignInLoad } from './sign-in-load.ts'

test('the load of an application rises with each 429, to five, and falls within ten minutes; others have their own', async () => {
  const clock = createManualClock()
  const load = createSignInLoad({ clock })
  assert.equal(load.of('a'), 0)
  load.rise('a')
  assert.equal(load.of('a'), 1)
  await clock.advance(5 * 60_000)
  assert.equal(load.of('a'), 0.5)
  load.rise('a')
  assert.equal(load.of('a'), 1.5)
  for (let i = 0; i < 10; i++) load.rise('a')
  assert.equal(load.of('a'), 5)
  assert.equal(load.of('b'), 0)
  await clock.advance(10 * 60_000)
  assert.equal(load.of('a'), 0)
})
