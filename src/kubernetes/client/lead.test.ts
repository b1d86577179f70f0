import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '#lib'
import type { KubeClient } from './kube-client.ts'
import { KubeError } from './kube-error.ts'
import { lead } from './lead.ts'
import type { Lease } from './objects.ts'

/** An API server with one Lease, and time that the test turns on. */
function world() {
  let lease: Lease | undefined
  let version = 0
  let now = 0
  let reachable = true
  const timers = new Set<{ at: number; run: () => void }>()
  const reject = (status: number, reason: string) => Promise.reject(new KubeError(reason, { status, reason }))
  const store = async (next: Lease) => {
    lease = { ...next, metadata: { ...next.metadata, resourceVersion: String(++version) } }
    return lease
  }
  const kube = {
    get: () =>
      !reachable ? reject(0, 'gone') : lease === undefined ? reject(404, 'NotFound') : Promise.resolve(lease),
    create: (_: unknown, next: Lease) => (lease === undefined ? store(next) : reject(409, 'AlreadyExists')),
    replace: (_: unknown, next: Lease) =>
      next.metadata.resourceVersion === lease?.metadata.resourceVersion ? store(next) : reject(409, 'Conflict'),
  } as unknown as KubeClient
  const clock = {
    now: () => now,
    elapsed: () => now,
    after(ms: number, run: () => void) {
      const timer = { at: now + ms, run }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
  }
  const settle = async () => {
    for (let i = 0; i < 20; i++) await Promise.resolve()
  }
  return {
    start(holder: string) {
      const told: string[] = []
      const running = lead({
        kube,
        log: silentLog,
        clock,
        holder,
        lease: { namespace: 'default', name: 'lease' },
        durationMs: 8000,
        work: () => {
          told.push('lead')
          return { stop: async () => void told.push('stop') }
        },
        onLost: () => void told.push('lost'),
      })
      return { told, stop: running.stop }
    },
    holder: () => lease?.spec?.holderIdentity,
    transitions: () => lease?.spec?.leaseTransitions,
    setReachable: (is: boolean) => {
      reachable = is
    },
    async pass(ms: number) {
      for (const end = now + ms; now < end; ) {
        await settle()
        now += 500
        for (const timer of [...timers]) {
          if (timer.at > now) continue
          timers.delete(timer)
          timer.run()
        }
      }
      await settle()
    },
    settle,
  }
}

test('of two who want to lead one does, and keeps it', async () => {
  const { start, holder, pass } = world()
  const [one, two] = [start('one'), start('two')]
  await pass(60_000)
  assert.deepEqual([one.told, two.told, holder()], [['lead'], [], 'one'])
})

test('a leader that stops gives the lease up, and the next one does not wait for its time', async () => {
  const { start, holder, transitions, pass } = world()
  const one = start('one')
  await pass(1000)
  const two = start('two')
  await one.stop()
  await pass(2500)
  assert.deepEqual([two.told, holder(), transitions()], [['lead'], 'two', 1])
})

test('one that is stopped while it takes the lease begins nothing, and gives the lease up', async () => {
  const { start, holder } = world()
  const one = start('one')
  await one.stop()
  assert.deepEqual([one.told, holder()], [[], ''])
})

test('the work ends before the lease is given up', async () => {
  const { start, holder, pass } = world()
  const one = start('one')
  await pass(1000)
  await one.stop()
  assert.deepEqual([one.told, holder()], [['lead', 'stop'], ''])
})

test('a leader that cannot renew says that it lost before anybody else may lead', async () => {
  const { start, pass, setReachable } = world()
  const one = start('one')
  await pass(1000)
  setReachable(false)
  await pass(5000)
  assert.deepEqual(one.told, ['lead'], 'a short outage is none')
  await pass(2500)
  assert.deepEqual(one.told, ['lead', 'lost', 'stop'])
})

test('a leader that is silent is followed when its lease did not change for its whole duration', async () => {
  const { start, holder, pass, setReachable } = world()
  const one = start('one')
  await pass(1000)
  setReachable(false)
  await pass(8000)
  setReachable(true)
  const two = start('two')
  await pass(7000)
  assert.deepEqual([two.told, holder()], [[], 'one'])
  await pass(4000)
  assert.deepEqual([one.told, two.told, holder()], [['lead', 'lost', 'stop'], ['lead'], 'two'])
})
