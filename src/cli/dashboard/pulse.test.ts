import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type KubeClient, KubeError } from '#kubernetes/client'
import { createPulse } from './pulse.ts'

/** A server that is not reached, until `answers` is true. */
function world(t: TestContext) {
  const clock = { now: 0 }
  t.mock.method(performance, 'now', () => clock.now)
  const server = { answers: false }
  const raw = async () => {
    if (!server.answers) throw new KubeError('not reached', { status: 0 })
    return '{}'
  }
  const pulse = createPulse({ raw } as unknown as KubeClient, new AbortController().signal)
  /** What a browser sees that reads at this time, and what the answer to its question has made of it. */
  const read = async (now: number) => {
    clock.now = now
    const seen = pulse.problem()
    await setImmediate()
    return seen
  }
  return { server, read }
}

test('an outage is shown while a browser reads, and over with the next answer', async (t) => {
  const { server, read } = world(t)
  assert.equal(await read(6000), null)
  assert.match(String(await read(11_000)), /not reached/)
  assert.match(String(await read(17_000)), /not reached/)
  server.answers = true
  assert.match(String(await read(23_000)), /not reached/)
  assert.equal(await read(28_000), null)
})

test('a browser that connects long after an outage does not see it', async (t) => {
  const { server, read } = world(t)
  await read(6000)
  assert.match(String(await read(11_000)), /not reached/)
  server.answers = true
  assert.equal(await read(3_600_000), null)
  assert.equal(await read(3_606_000), null)
})
