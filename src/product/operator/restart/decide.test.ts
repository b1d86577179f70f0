import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Decision, decide, type MountView, type PodView, type RestartInput, restartKey } from './decide.ts'

const now = Date.UTC(2026, 0, 5, 12)

const idle = { restartedFor: undefined, restartedAt: undefined, paused: false, rollingOut: false, replacesPods: true }

function inputOf(pods: readonly PodView[], changes: Partial<RestartInput> = {}): RestartInput {
  return {
    now,
    workload: idle,
    pods,
    syncs: [],
    mirrored: new Set(),
    agreeTimeoutMs: 270_000,
    minIntervalMs: 300_000,
    windows: [],
    ...changes,
  }
}

function podOf(name: string, startedWith: string | undefined, have: string, mount: Partial<MountView> = {}): PodView {
  return {
    name,
    createdAt: now - 3_600_000,
    containersStartedAt: now - 3_590_000,
    inspected: true,
    mounts: [{ className: 'app', have, startedWith, mirroredFor: undefined, changedAt: now - 10_000, ...mount }],
  }
}

/** Small sets of values, so that equal ones are frequent. */
const version = fc.constantFrom('a', 'b', 'c')
const mount = fc.record({
  className: fc.constantFrom('app', 'db'),
  have: version,
  startedWith: fc.option(version, { nil: undefined }),
  mirroredFor: fc.option(version, { nil: undefined }),
  changedAt: fc.option(fc.integer({ min: now - 600_000, max: now + 60_000 }), { nil: undefined }),
})
const pod = fc.record({
  name: fc.constantFrom('p1', 'p2', 'p3', 'p4'),
  createdAt: fc.integer({ min: now - 3_600_000, max: now }),
  mounts: fc.array(mount, { maxLength: 3 }),
  containersStartedAt: fc.option(fc.integer({ min: now - 700_000, max: now }), { nil: undefined }),
  inspected: fc.boolean(),
})
const sync = fc.record({
  name: fc.constantFrom('s1', 's2'),
  hash: version,
  syncedAt: fc.integer({ min: now - 600_000, max: now }),
})
const anyInput: fc.Arbitrary<RestartInput> = fc.record({
  now: fc.constant(now),
  workload: fc.record({
    restartedFor: fc.constantFrom(undefined, 'other'),
    restartedAt: fc.option(fc.integer({ min: now - 900_000, max: now + 900_000 }), { nil: undefined }),
    paused: fc.boolean(),
    rollingOut: fc.boolean(),
    replacesPods: fc.boolean(),
  }),
  pods: fc.uniqueArray(pod, { selector: ({ name }) => name, maxLength: 4 }),
  syncs: fc.uniqueArray(sync, { selector: ({ name }) => name, maxLength: 2 }),
  mirrored: fc.subarray(['app', 'db']).map((names) => new Set(names)),
  agreeTimeoutMs: fc.constantFrom(0, 270_000),
  minIntervalMs: fc.constantFrom(0, 300_000),
  windows: fc.constant([]),
})

/** What a controller does that inspects every pod that decides. */
function decideFully(input: RestartInput, containersStartedAt: (pod: string) => number): Decision {
  let { pods } = input
  for (let looks = 0; looks <= pods.length; looks++) {
    const decision = decide({ ...input, pods })
    if (decision.action !== 'inspect') return decision
    pods = pods.map((one) =>
      one.name === decision.pod ? { ...one, containersStartedAt: containersStartedAt(one.name), inspected: true } : one,
    )
  }
  return assert.fail('a pod was to be inspected twice')
}

function disagrees({ pods }: RestartInput): boolean {
  const haves = new Map<string, Set<string>>()
  for (const { mounts } of pods) {
    for (const { className, have } of mounts) haves.set(className, (haves.get(className) ?? new Set()).add(have))
  }
  return [...haves.values()].some((values) => values.size > 1)
}

test('a workload is restarted only if a pod is stale and nothing forbids it', () => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const decision = decideFully(input, () => Number.NEGATIVE_INFINITY)
      if (decision.action !== 'restart') return
      const { workload, pods, syncs } = input
      const staleByMount = pods.some(({ mounts }) =>
        mounts.some(({ have, startedWith }) => startedWith !== undefined && startedWith !== have),
      )
      const staleBySync = pods.some(({ createdAt }) => syncs.some(({ syncedAt }) => createdAt < syncedAt))
      assert.ok(staleByMount || staleBySync)
      assert.ok(!workload.paused && !workload.rollingOut && workload.replacesPods)
      assert.notEqual(decision.key, workload.restartedFor)
      assert.equal(decision.agreed, !disagrees(input))
      assert.ok(decision.agreed || now >= decision.since + input.agreeTimeoutMs)
      assert.ok(decision.stalePods.length > 0)
    }),
  )
})

test('a workload whose pods started with what they have is never restarted', () => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const pods = input.pods.map((one) => ({
        ...one,
        mounts: one.mounts.map((inner) => ({ ...inner, startedWith: inner.have })),
      }))
      assert.equal(decide({ ...input, pods, syncs: [] }).action, 'none')
    }),
  )
})

test('a restart for a key happens once, and what is decided does not depend on the order of pods', () => {
  fc.assert(
    fc.property(anyInput, fc.nat(), (input, turn) => {
      const decision = decideFully(input, () => 0)
      const turned = input.pods.slice(turn % 5).concat(input.pods.slice(0, turn % 5))
      assert.deepEqual(
        decideFully({ ...input, pods: turned }, () => 0),
        decision,
      )
      if (decision.action !== 'restart') return
      const workload = { ...input.workload, restartedFor: decision.key, restartedAt: now }
      for (const minutes of [0, 6, 600]) {
        const later = decideFully({ ...input, workload, now: now + minutes * 60_000 }, () => 0)
        assert.deepEqual(later, { action: 'none', reason: 'triggered' })
      }
    }),
  )
})

test('a stale workload is restarted in the end, unless it is paused or its Secrets are not written', () => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const workload = { ...idle, restartedAt: input.workload.restartedAt }
      const stale = input.pods.some(({ mounts }) =>
        mounts.some(({ have, startedWith }) => startedWith !== undefined && startedWith !== have),
      )
      const pods = input.pods.map((one) => ({ ...one, containersStartedAt: undefined, inspected: false }))
      const later = { ...input, pods, workload, mirrored: new Set<string>(), now: now + 3_600_000 }
      if (stale) assert.equal(decideFully(later, () => Number.NEGATIVE_INFINITY).action, 'restart')
    }),
  )
})

test('pods that disagree are waited for, and after the timeout no longer', () => {
  const input = inputOf([podOf('p1', 'a', 'b'), podOf('p2', 'a', 'a')])
  const waiting = decide(input)
  assert.equal(waiting.action === 'wait' && waiting.reason, 'agreement')
  assert.equal(waiting.action === 'wait' && waiting.untilMs, now - 10_000 + 270_000)
  const decision = decide({ ...input, now: now + 261_000 })
  assert.deepEqual([decision.action, decision.action === 'restart' && decision.agreed], ['restart', false])
})

test('a value that comes back before all pods have it restarts nothing', () => {
  assert.deepEqual(decide(inputOf([podOf('p1', 'a', 'a'), podOf('p2', 'a', 'a')])), { action: 'none', reason: 'fresh' })
})

test('a class with Secrets waits until they carry what the pods have', () => {
  const mirrored = new Set(['app'])
  const before = decide(inputOf([podOf('p1', 'a', 'b', { mirroredFor: 'a' })], { mirrored }))
  assert.equal(before.action === 'wait' && before.reason, 'secret')
  assert.equal(decide(inputOf([podOf('p1', 'a', 'b', { mirroredFor: 'b' })], { mirrored })).action, 'restart')
})

test('a pod whose containers started after the change is fresh, and one that was not inspected is to be inspected', () => {
  const stale = podOf('p1', 'a', 'b')
  const unseen = decide(inputOf([{ ...stale, inspected: false }]))
  assert.equal(unseen.action === 'inspect' && unseen.pod, 'p1')
  assert.equal(decide(inputOf([{ ...stale, containersStartedAt: now - 10_000 }])).action, 'restart')
  assert.equal(decide(inputOf([{ ...stale, containersStartedAt: now - 9000 }])).action, 'none')
  const mirrored = new Set(['app'])
  const withSecret = { ...podOf('p1', 'a', 'b', { mirroredFor: 'b' }), containersStartedAt: now - 9000 }
  assert.equal(decide(inputOf([withSecret], { mirrored })).action, 'restart')
})

test('an older driver’s pods, and pods without a volume, restart nothing', () => {
  assert.deepEqual(decide(inputOf([podOf('p1', undefined, 'b')])), { action: 'none', reason: 'older-driver' })
  assert.deepEqual(decide(inputOf([])), { action: 'none', reason: 'not-mounted' })
  assert.equal(decide(inputOf([podOf('p1', undefined, 'b'), podOf('p2', 'a', 'b')])).action, 'restart')
})

test('a SecretSync restarts pods that were created before it was written, once', () => {
  const syncs = [{ name: 's', hash: 'v1:1', syncedAt: now - 60_000 }]
  const old = { ...podOf('p1', 'a', 'a'), mounts: [] }
  const decision = decide(inputOf([old], { syncs }))
  assert.equal(decision.action, 'restart')
  const key = restartKey({ pods: [old], syncs })
  assert.equal(decide(inputOf([old], { syncs, workload: { ...idle, restartedFor: key } })).action, 'none')
  assert.equal(decide(inputOf([{ ...old, createdAt: now - 1000, containersStartedAt: now }], { syncs })).action, 'none')
  // The container waited for the Secret.
  assert.equal(decide(inputOf([{ ...old, containersStartedAt: now - 50_000 }], { syncs })).action, 'none')
})

test('pods that started with an older value after a restart for the present one are restarted an hour later, by another key', () => {
  const first = decide(inputOf([podOf('p1', 'a', 'b')]))
  assert.ok(first.action === 'restart')
  const restarted = { ...idle, restartedFor: first.key, restartedAt: now }
  const pods = [{ ...podOf('p2', 'a', 'b'), restartedFor: first.key }]
  const waiting = decide(inputOf(pods, { workload: restarted }))
  assert.deepEqual([waiting.action, waiting.action === 'wait' && waiting.reason], ['wait', 'again'])
  const later = { now: now + 3_600_000 }
  const again = decide(inputOf(pods, { workload: restarted, ...later }))
  assert.ok(again.action === 'restart')
  assert.notEqual(again.key, first.key)
  const twice = { ...idle, restartedFor: again.key, restartedAt: later.now }
  assert.equal(decide(inputOf(pods, { workload: twice, ...later })).action, 'none', 'those pods are being replaced')
})

test('pauses, rollouts, the interval, windows and OnDelete each have their answer', () => {
  const pods = [podOf('p1', 'a', 'b')]
  const answer = (changes: Partial<RestartInput>) => {
    const decision = decide(inputOf(pods, changes))
    return decision.action === 'wait' ? [decision.reason, decision.untilMs] : [decision.action]
  }
  assert.deepEqual(answer({ workload: { ...idle, paused: true } }), ['paused', undefined])
  assert.deepEqual(answer({ workload: { ...idle, rollingOut: true } }), ['rollout', undefined])
  assert.deepEqual(answer({ workload: { ...idle, restartedAt: now - 1000 } }), ['min-interval', now + 299_000])
  assert.deepEqual(answer({ workload: { ...idle, restartedAt: now + 86_400_000 } }), ['restart'])
  assert.deepEqual(answer({ workload: { ...idle, replacesPods: false, rollingOut: true } }), ['report'])
  assert.deepEqual(answer({ workload: { ...idle, coversUntil: now - 10_000 } }), ['none'])
  assert.deepEqual(answer({ workload: { ...idle, coversUntil: now - 10_001 } }), ['restart'])
  const evening = { days: new Set([0, 1, 2, 3, 4, 5, 6]), fromMinute: 22 * 60, toMinute: 4 * 60 }
  assert.deepEqual(answer({ windows: [evening] }), ['window', Date.UTC(2026, 0, 5, 22)])
  assert.deepEqual(answer({ windows: [evening], now: Date.UTC(2026, 0, 6, 3) }), ['restart'])
})
