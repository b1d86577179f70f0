import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '#lib'
import { createHurryingClock } from '../../../../test/support/hurrying-clock.ts'
import { createMicMetrics } from './mic-metrics.ts'
import { runCycles } from './run-cycles.ts'
import type { SyncResult } from './sync.ts'

async function cyclesOf(results: SyncResult[], enough: number) {
  const clock = createHurryingClock()
  const at: number[] = []
  const reconciled: number[] = []
  const done = Promise.withResolvers<void>()
  const cycles = runCycles({
    async sync() {
      at.push(clock.now())
      if (at.length === enough) done.resolve()
      return results[at.length - 1] ?? { worked: false, complete: true }
    },
    async reconcile() {
      reconciled.push(clock.now())
    },
    syncRetryMs: 3_600_000,
    reconcileMs: 180_000,
    metrics: createMicMetrics(),
    log: silentLog,
    clock,
  })
  await done.promise
  await cycles.stop()
  return { at, reconciled }
}

test('MIC retry loop: an incomplete cycle is repeated after some five seconds, without an event, and then after longer and longer waits', async () => {
  const failed = { worked: true, complete: false }
  const { at } = await cyclesOf([failed, failed, failed], 4)
  const waits = at.slice(1).map((time, i) => time - (at[i] ?? 0))
  assert.ok((waits[0] ?? 0) >= 4000 && (waits[0] ?? 0) <= 5300, String(waits))
  assert.ok((waits[1] ?? 0) > (waits[0] ?? 0) && (waits[2] ?? 0) > (waits[1] ?? 0), String(waits))
})

test('machines are checked every three minutes, whatever else happens', async () => {
  const { reconciled } = await cyclesOf([], 4)
  assert.ok(reconciled.length >= 2)
  assert.ok(
    reconciled.every((time, i) => time >= (i + 1) * 180_000),
    String(reconciled),
  )
})

test('MIC sync exit: the loop ends when it is stopped, and waits for the cycle that runs', async () => {
  const gate = Promise.withResolvers<SyncResult>()
  const cycles = runCycles({
    sync: () => gate.promise,
    reconcile: async () => undefined,
    syncRetryMs: 3_600_000,
    reconcileMs: 180_000,
    metrics: createMicMetrics(),
    log: silentLog,
    clock: createHurryingClock(),
  })
  let ended = false
  const stopping = cycles.stop().then(() => {
    ended = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(ended, false)
  gate.resolve({ worked: true, complete: true })
  await stopping
})
