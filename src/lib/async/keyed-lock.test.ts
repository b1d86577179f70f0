import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createKeyedLock } from './keyed-lock.ts'
import { createSingleFlight } from './single-flight.ts'

test('createKeyedLock() lets one holder of a key in at a time, in order, and other keys beside it', async () => {
  const lock = createKeyedLock()
  const order: string[] = []
  const gate = Promise.withResolvers<void>()
  const first = lock.run('a', async () => {
    order.push('first in')
    await gate.promise
    order.push('first out')
  })
  const second = lock.run('a', async () => void order.push('second'))
  await lock.run('b', async () => void order.push('other'))
  assert.ok(lock.held('a'))
  gate.resolve()
  await Promise.all([first, second])
  assert.deepEqual(order, ['first in', 'other', 'first out', 'second'])
  assert.ok(!lock.held('a'))
})

test('createKeyedLock() goes on after a holder that failed', async () => {
  const lock = createKeyedLock()
  await assert.rejects(lock.run('a', () => Promise.reject(new Error('failed'))))
  assert.equal(await lock.run('a', async () => 'fine'), 'fine')
})

test('createSingleFlight() joins concurrent calls and forgets afterwards, failures too', async () => {
  const flight = createSingleFlight<number>()
  let calls = 0
  const work = async () => ++calls
  assert.deepEqual(await Promise.all([flight('k', work), flight('k', work), flight('j', work)]), [1, 1, 2])
  assert.equal(await flight('k', work), 3)
  await assert.rejects(flight('k', () => Promise.reject(new Error('no'))))
  assert.equal(await flight('k', work), 4)
})
