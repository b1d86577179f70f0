import assert from 'node:assert/strict'
import { test } from 'node:test'
import { poll } from './poll.ts'

const quick = { everyMs: 1, withinMs: 60_000, late: () => assert.fail('late') }

test('poll() gives the first answer', async () => {
  const answers = [undefined, undefined, 'here', 'more']
  assert.equal(await poll(() => answers.shift(), quick), 'here')
  assert.deepEqual(answers, ['more'])
})

test('poll() asks at least once, and gives or throws what is due when the time is up', async () => {
  assert.equal(await poll(async () => 'at once', { ...quick, withinMs: 0 }), 'at once')
  assert.equal(await poll<string>(() => undefined, { ...quick, withinMs: 0, late: async () => 'late' }), 'late')
  const late = () => Promise.reject(new Error('nothing came'))
  await assert.rejects(
    poll(() => undefined, { ...quick, withinMs: 0, late }),
    /nothing came/,
  )
})

test('poll() ends when its signal aborts, and when a question fails', async () => {
  const abort = new AbortController()
  const waiting = poll(() => undefined, { ...quick, everyMs: 60_000, signal: abort.signal })
  abort.abort(new Error('stopped'))
  await assert.rejects(waiting, /stopped/)
  await assert.rejects(
    poll(() => {
      throw new Error('refused')
    }, quick),
    /refused/,
  )
})
