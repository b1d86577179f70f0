import assert from 'node:assert/strict'
import { test } from 'node:test'
import { untilAborted } from './until-aborted.ts'

test('untilAborted() has the result of the promise, and its failure', async () => {
  const { signal } = new AbortController()
  assert.equal(await untilAborted(Promise.resolve(1), signal), 1)
  await assert.rejects(untilAborted(Promise.reject(new Error('failed')), signal), /failed/)
})

test('untilAborted() rejects with the reason of a signal that aborts, or has aborted', async () => {
  const controller = new AbortController()
  const waiting = untilAborted(new Promise(() => {}), controller.signal)
  controller.abort(new Error('left'))
  await assert.rejects(waiting, /left/)
  await assert.rejects(untilAborted(new Promise(() => {}), controller.signal), /left/)
})
