import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { silentLog } from '#lib'
import { createManualClock } from '../../../test/support/manual-clock.ts'
import type { KubeClient } from './kube-client.ts'
import { KubeError } from './kube-error.ts'
import { lead } from './lead.ts'
import type { Lease } from './objects.ts'

/** `silent`: calls get no answer. `deaf`: what is written is stored, and gets no answer. */
type Mode = 'up' | 'down' | 'silent' | 'deaf'

/** An API server with one Lease, and replicas that want to lead, each with its own connection and clock. */
function world(t: TestContext) {
  const clock = createManualClock()
  let stored: Lease | undefined
  let version = 0

  const refuse = (status: number, reason: string) => new KubeError(reason, { status, reason })
  const store = (next: Lease) => {
    stored = { ...next, metadata: { ...next.metadata, resourceVersion: String(++version) } }
    return stored
  }
  const clientOf = (connection: { mode: Mode }) => {
    const call = async (timeoutMs: number, serve: () => Lease): Promise<Lease> => {
      const { mode } = connection
      if (mode === 'down') throw refuse(0, 'unreachable')
      const answer = mode === 'silent' ? undefined : serve()
      if (answer !== undefined && mode === 'up') return answer
      return new Promise((_, reject) => clock.after(timeoutMs, () => reject(refuse(0, 'no answer'))))
    }
    return {
      get: (_: unknown, _ref: unknown, { timeoutMs }: { timeoutMs: number }) =>
        call(timeoutMs, () => {
          if (stored === undefined) throw refuse(404, 'NotFound')
          return stored
        }),
      create: (_: unknown, next: Lease, { timeoutMs }: { timeoutMs: number }) =>
        call(timeoutMs, () => {
          if (stored !== undefined) throw refuse(409, 'AlreadyExists')
          return store(next)
        }),
      replace: (_: unknown, next: Lease, { timeoutMs }: { timeoutMs: number }) =>
        call(timeoutMs, () => {
          if (next.metadata.resourceVersion !== stored?.metadata.resourceVersion) throw refuse(409, 'Conflict')
          return store(next)
        }),
    } as unknown as KubeClient
  }

  return {
    clock,
    start(holder: string, work = () => ({ stop: async () => undefined as undefined })) {
      const events: string[] = []
      const connection: { mode: Mode } = { mode: 'up' }
      const leadership = lead({
        kube: clientOf(connection),
        log: silentLog,
        clock,
        holder,
        lease: { namespace: 'default', name: 'lease' },
        durationMs: 8000,
        work() {
          events.push('lead')
          const running = work()
          return {
            async stop() {
              events.push('stop')
              await running.stop()
            },
          }
        },
        onLost: () => void events.push('lost'),
      })
      t.after(async () => {
        const stopped = leadership.stop()
        await clock.advance(60_000)
        await stopped
      })
      return { events, connection, ...leadership }
    },
    holder: () => stored?.spec?.holderIdentity,
    transitions: () => stored?.spec?.leaseTransitions,
    /** What an administrator does with kubectl. */
    edit(change: { metadata?: Lease['metadata']; spec?: Lease['spec'] }) {
      if (stored === undefined) return
      const { metadata, spec } = stored
      store({ ...stored, metadata: { ...metadata, ...change.metadata }, spec: { ...spec, ...change.spec } })
    },
    labels: () => stored?.metadata.labels,
  }
}

test('of two replicas that want to lead one does, and stays the leader', async (t) => {
  const { start, holder, clock } = world(t)
  const [one, two] = [start('one'), start('two')]
  await clock.advance(60_000)
  assert.deepEqual([one.events, two.events, holder()], [['lead'], [], 'one'])
  assert.deepEqual([one.leads(), two.leads()], [true, false])
})

test('a leader that stops releases the lease, and the next one does not wait until it runs out', async (t) => {
  const { start, holder, transitions, clock } = world(t)
  const one = start('one')
  await clock.advance(1000)
  const two = start('two')
  await clock.advance(1)
  await one.stop()
  await clock.advance(2500)
  assert.deepEqual([two.events, holder(), transitions()], [['lead'], 'two', 1])
})

test('a replica that is stopped while it takes the lease begins nothing, and releases the lease', async (t) => {
  const { start, holder } = world(t)
  const one = start('one')
  await one.stop()
  assert.deepEqual([one.events, holder()], [[], ''])
})

test('the lease is renewed until the work has ended, and then released', async (t) => {
  const { start, holder, clock } = world(t)
  const ended = Promise.withResolvers<undefined>()
  const one = start('one', () => ({ stop: () => ended.promise }))
  const two = start('two')
  await clock.advance(1000)
  const stopped = one.stop()
  await clock.advance(60_000)
  assert.deepEqual([two.events, holder()], [[], 'one'])
  ended.resolve(undefined)
  await stopped
  assert.deepEqual([one.events, holder()], [['lead', 'stop'], ''])
})

test('a leader that cannot renew stops before another replica may lead', async (t) => {
  for (const mode of ['down', 'silent'] as const) {
    const { start, clock } = world(t)
    const one = start('one')
    await clock.advance(0)
    one.connection.mode = mode
    await clock.advance(5900)
    assert.deepEqual([one.events, one.leads()], [['lead'], true], 'a short outage does not matter')
    await clock.advance(100)
    assert.deepEqual([one.events, one.leads()], [['lead', 'lost', 'stop'], false], mode)
  }
})

test('a leader counts from before the renewal whose answer it got, not from the answer', async (t) => {
  const { start, holder, clock } = world(t)
  const one = start('one')
  await clock.advance(0)
  // The renewals are stored at once, and their answers never arrive.
  one.connection.mode = 'deaf'
  await clock.advance(6000)
  assert.deepEqual(one.events, ['lead', 'lost', 'stop'])
  assert.equal(holder(), 'one')
})

test('a leader whose lease is taken over stops at its next renewal', async (t) => {
  const { start, holder, edit, clock } = world(t)
  const one = start('one')
  await clock.advance(0)
  edit({ spec: { holderIdentity: 'two', leaseDurationSeconds: 8 } })
  await clock.advance(2000)
  assert.deepEqual([one.events, holder()], [['lead', 'lost', 'stop'], 'two'])
})

test('a leader that is silent is followed when its lease did not change for its whole duration', async (t) => {
  const { start, holder, clock } = world(t)
  const one = start('one')
  await clock.advance(1000)
  one.connection.mode = 'down'
  const two = start('two')
  await clock.advance(7000)
  assert.deepEqual([two.events, holder()], [[], 'one'])
  await clock.advance(4000)
  assert.deepEqual([two.events, holder()], [['lead'], 'two'])
})

test('steps of the wall clock change neither who leads nor for how long', async (t) => {
  for (const step of [-8 * 3_600_000, 8 * 3_600_000]) {
    const { start, holder, clock } = world(t)
    const [one, two] = [start('one'), start('two')]
    await clock.advance(1000)
    clock.stepWallClock(step)
    await clock.advance(60_000)
    assert.deepEqual([one.events, two.events, holder()], [['lead'], [], 'one'])
    one.connection.mode = 'down'
    clock.stepWallClock(-step)
    await clock.advance(12_000)
    assert.deepEqual([one.events, two.events, holder()], [['lead', 'lost', 'stop'], ['lead'], 'two'])
  }
})

test('a label that an administrator sets on the lease does not end the leadership, and is preserved', async (t) => {
  const { start, edit, labels, clock } = world(t)
  const one = start('one')
  await clock.advance(1000)
  edit({ metadata: { labels: { by: 'an administrator' } } })
  await clock.advance(60_000)
  assert.deepEqual([one.events, labels()], [['lead'], { by: 'an administrator' }])
})
