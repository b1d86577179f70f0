import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CsiDriver, KubeClient } from '#kubernetes/client'
import { silentLog } from '#lib'
import { createManualClock } from '../../../test/support/manual-clock.ts'
import { statusIntervalMs, statusIntervalWriter } from './status-interval.ts'

const minuteMs = 60_000

test('the interval keeps all drivers together below 50 writes in a second, in steps of 5 minutes', () => {
  for (const [volumes, minutes] of [
    [0, 5],
    [15_000, 5],
    [15_001, 10],
    [100_000, 35],
  ] as const)
    assert.equal(statusIntervalMs(volumes), minutes * minuteMs, String(volumes))
})

test('the CSIDriver object has the interval, which changes at most once in an hour', async () => {
  const driver: CsiDriver = { apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver', metadata: { name: 'd' }, spec: {} }
  const patches: unknown[] = []
  const kube = {
    get: async () => driver,
    async patch(_resource: unknown, _ref: unknown, patch: { metadata: { annotations: Record<string, string> } }) {
      patches.push(patch.metadata.annotations)
      driver.metadata.annotations = patch.metadata.annotations
    },
  } as unknown as KubeClient
  const clock = createManualClock()
  const write = statusIntervalWriter({ kube, driverName: 'd', log: silentLog, clock })
  const { signal } = new AbortController()
  await write(100, signal)
  assert.deepEqual(patches, [], '5 minutes is what drivers do by themselves')
  await write(100_000, signal)
  await write(100, signal)
  assert.deepEqual(patches, [{ 'keymount.dev/status-interval': '35m' }])
  await clock.advance(60 * minuteMs)
  await write(100, signal)
  assert.deepEqual(patches.slice(1), [{ 'keymount.dev/status-interval': '5m' }])
})
