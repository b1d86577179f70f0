import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type KubeClient, parseEventsConfirmation } from '#kubernetes/client'
import { silentLog } from '#lib'
import { createManualClock } from '../../../../test/support/manual-clock.ts'
import { startConfirming } from './confirm-events.ts'
import type { EventSource } from './vault-event.ts'

const shop = 'shop.vault.azure.net'
const bank = 'bank.vault.azure.net'
const minute = 60_000
const name = 'keymount.dev/events-confirmed'

/** The CSIDriver object, as the API server holds it. */
function createObject() {
  const annotations: Record<string, string> = {}
  const state = { annotations, patches: 0, fails: false }
  const kube = {
    get: async () => ({ metadata: { annotations: { ...annotations } } }),
    async patch(_: unknown, __: unknown, body: { metadata: { annotations: Record<string, string | null> } }) {
      if (state.fails) throw new Error('the API server does not answer')
      state.patches++
      for (const [key, value] of Object.entries(body.metadata.annotations)) {
        if (value === null) delete annotations[key]
        else annotations[key] = value
      }
    },
  } as unknown as KubeClient
  return { state, kube, confirmation: () => parseEventsConfirmation(annotations[name] ?? '') }
}

function sourceOf(vault: string, keepsMs: number): EventSource & { lost: number } {
  const source = {
    name: vault,
    lost: 0,
    coverage: { vaults: [vault], keepsMs, lost: () => source.lost },
    next: async () => [],
    done: async () => {},
  }
  return source
}

function start(t: TestContext, object = createObject(), clock = createManualClock()) {
  const queue = sourceOf(shop, 60 * minute)
  const watch = sourceOf(bank, 5 * minute)
  const world = {
    unmatched: [] as string[],
    waiting: [] as [string, string[]][],
    confirmed: [] as readonly string[],
  }
  const confirming = startConfirming({
    ...{ kube: object.kube, driverName: 'driver', intervalMs: 24 * 60 * minute, clock, log: silentLog },
    sources: [queue, watch],
    namespaces: [],
    unmatched: () => world.unmatched,
    waiting: () => world.waiting,
    onConfirmed: (hosts) => {
      world.confirmed = hosts
    },
  })
  t.after(confirming.stop)
  /** All of these answer, for so many minutes. */
  const pass = async (minutes: number, sources: readonly EventSource[] = [queue, watch]) => {
    for (let i = 0; i < minutes * 4; i++) {
      for (const source of sources) confirming.answered(source)
      await clock.advance(15_000)
    }
  }
  const vaults = () => Object.fromEntries(object.confirmation()?.vaults ?? [])
  return { ...object, object, clock, queue, watch, world, pass, vaults, stop: confirming.stop }
}

test('vaults are confirmed every minute, once each source has answered, and the count grows', async (t) => {
  const { clock, state, pass, vaults, confirmation, world } = start(t)
  await clock.advance(10 * minute)
  assert.equal(state.patches, 0)
  await pass(1)
  assert.deepEqual(Object.keys(vaults()).toSorted(), [bank, shop])
  const before = { beat: confirmation()?.beat ?? 0, patches: state.patches, vaults: vaults() }
  await pass(30)
  assert.equal(state.patches - before.patches, 30)
  assert.equal(confirmation()?.beat, before.beat + 30)
  assert.deepEqual(vaults(), before.vaults)
  assert.deepEqual(world.confirmed.toSorted(), [bank, shop])
})

test('a source that does not answer ends the confirmation of its vaults; its period goes on only if it kept what happened', async (t) => {
  const { queue, watch, pass, vaults } = start(t)
  await pass(2)
  const before = vaults()
  await pass(10, [watch])
  assert.deepEqual(Object.keys(vaults()), [bank])
  await pass(2)
  assert.deepEqual(vaults(), before)
  await pass(10, [queue])
  assert.deepEqual(Object.keys(vaults()), [shop])
  await pass(2)
  assert.equal(vaults()[shop], before[shop])
  assert.notEqual(vaults()[bank], before[bank])
})

test('an event that is lost begins a new period: the drivers read everything once', async (t) => {
  const { queue, pass, vaults } = start(t)
  await pass(2)
  const before = vaults()
  queue.lost++
  await pass(2)
  assert.notEqual(vaults()[shop], before[shop])
  assert.equal(vaults()[bank], before[bank])
  const after = vaults()
  await pass(5)
  assert.deepEqual(vaults(), after)
})

test('a namespace where an event cannot be delivered, or whose classes are not known, is left out, and no other', async (t) => {
  const { pass, vaults, world, confirmation } = start(t)
  await pass(2)
  const before = vaults()
  world.waiting = [
    ['e1', ['evil/a', 'evil/b']],
    ['e2', ['evil/c', 'blue/app']],
  ]
  await pass(5)
  assert.deepEqual([vaults(), confirmation()?.except], [before, ['blue', 'evil']])
  // The blue one has its annotation by now.
  world.waiting = [
    ['e1', ['evil/b']],
    ['e2', ['evil/c']],
  ]
  await pass(1)
  assert.deepEqual([vaults(), confirmation()?.except], [before, ['evil']])
  // Others that come and go are not late.
  for (let i = 3; i < 9; i++) {
    world.waiting = [[`e${i}`, ['evil/a']]]
    await pass(1)
  }
  assert.deepEqual([vaults(), confirmation()?.except], [before, []])
  world.waiting = []
  world.unmatched = ['team-b', 'team-a', 'team-b']
  await pass(2)
  assert.deepEqual(confirmation()?.except, ['team-a', 'team-b'])
  world.unmatched = Array.from({ length: 201 }, (_, i) => `n${i}`)
  await pass(2)
  assert.deepEqual(vaults(), {})
})

test('another operator goes on with the periods that its sources cover, and counts further', async (t) => {
  const clock = createManualClock()
  const first = start(t, createObject(), clock)
  await first.pass(2)
  const before = first.vaults()
  const beat = first.confirmation()?.beat ?? 0
  await first.stop()
  await clock.advance(20 * minute)
  const second = start(t, first.object, clock)
  await second.pass(2)
  assert.equal(second.vaults()[shop], before[shop])
  // The first list of a watch sees what changed in the minutes before it.
  assert.notEqual(second.vaults()[bank], before[bank])
  assert.ok((second.confirmation()?.beat ?? 0) > beat)
  await second.stop()
  await clock.advance(2 * 60 * minute)
  const third = start(t, first.object, clock)
  await third.pass(2)
  assert.notEqual(third.vaults()[shop], before[shop])
})

test('what another wrote into the annotation does not outlive the next minute, and an API server that is away loses nothing', async (t) => {
  const { state, pass, vaults, confirmation } = start(t)
  await pass(2)
  const before = vaults()
  state.annotations[name] = JSON.stringify({
    beat: Number.MAX_SAFE_INTEGER,
    at: '2026-11-28T00:00:00Z',
    interval: '168h',
  })
  await pass(3)
  assert.equal(confirmation()?.intervalMs, 24 * 60 * minute)
  assert.deepEqual(vaults(), before)
  state.fails = true
  await pass(5)
  state.fails = false
  await pass(2)
  assert.deepEqual(vaults(), before)
})
