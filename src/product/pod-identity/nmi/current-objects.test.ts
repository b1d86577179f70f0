import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ImdsRefusal } from '#product/imds'
import { currentObjects, maxSilenceMs } from './current-objects.ts'

function objects(silentMs: number, list: () => Promise<string[]>) {
  return currentObjects({ following: { silentMs: () => silentMs }, watched: () => ['watched'], list, what: 'pods' })
}

test('the objects of a watch that is up to date are used without a call', async () => {
  const list = () => assert.fail('the API server was asked')
  assert.deepEqual(await objects(maxSilenceMs, list), ['watched'])
})

test('the API server is asked when the watch has been silent for too long, or has reported nothing yet', async () => {
  for (const silentMs of [maxSilenceMs + 1, Number.POSITIVE_INFINITY]) {
    assert.deepEqual(await objects(silentMs, async () => ['current']), ['current'])
  }
})

test('a request is refused for a while when neither is known', async () => {
  const list = async () => {
    throw new Error('unreachable')
  }
  await assert.rejects(objects(maxSilenceMs + 1, list), (error: unknown) => {
    assert.ok(error instanceof ImdsRefusal)
    assert.deepEqual([error.status, error.headers['retry-after']], [503, '5'])
    assert.match(error.message, /the list of pods is out of date, and the API server does not answer: unreachable/)
    return true
  })
})
