import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '#lib'
import { createManualClock } from '../../../test/support/manual-clock.ts'
import { createEventRecorder } from './event-recorder.ts'
import type { KubeClient } from './kube-client.ts'
import { KubeError } from './kube-error.ts'
import type { KubeEvent } from './objects.ts'

/** An API server that holds one event. */
function world() {
  const clock = createManualClock()
  const writes: number[] = []
  const api = { reachable: true }
  let stored: KubeEvent | undefined
  const client = {
    get: async () => {
      if (!api.reachable) throw new KubeError('unreachable', { status: 0 })
      if (stored === undefined) throw new KubeError('not found', { status: 404, reason: 'NotFound' })
      return stored
    },
    create: async (_: unknown, event: KubeEvent) => {
      stored = event
      writes.push(event.count ?? 0)
    },
    patch: async (_: unknown, _ref: unknown, patch: Partial<KubeEvent>) => {
      stored = { ...(stored as KubeEvent), ...patch }
      writes.push(stored.count ?? 0)
    },
  } as unknown as KubeClient
  const recorder = createEventRecorder({ client, log: silentLog, component: 'test', clock, quietMs: 60_000 })
  const about = { kind: 'Pod', name: 'app', namespace: 'team', uid: 'u' }
  return { clock, writes, api, record: () => recorder.record(about, 'Warning', 'Failed', 'the same text') }
}

test('the same event is written once a minute, with the count of all that came in between', async () => {
  const { clock, writes, record } = world()
  for (let i = 0; i < 5; i++) await record()
  assert.deepEqual(writes, [1])
  await clock.advance(60_000)
  await record()
  assert.deepEqual(writes, [1, 6])
})

test('a wall clock that is set back does not silence an event', async () => {
  const { clock, writes, record } = world()
  await record()
  clock.stepWallClock(-8 * 3_600_000)
  await clock.advance(60_000)
  await record()
  assert.deepEqual(writes, [1, 2])
})

test('an event that could not be written is counted in the next one', async () => {
  const { clock, writes, api, record } = world()
  api.reachable = false
  await record()
  api.reachable = true
  await clock.advance(60_000)
  await record()
  assert.deepEqual(writes, [2])
})
