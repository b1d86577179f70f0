import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createManualClock } from '../../../test/support/manual-clock.ts'
import { createProviderMetrics, type ProviderMetrics } from './provider-metrics.ts'

const hour = 3_600_000

function mount(metrics: ProviderMetrics, namespace: string, name: string, intervalMs = 0): void {
  const object = { type: 'cert', name, vault: `${namespace}.vault.azure.net`, isCertificate: true }
  metrics.mounted(object, { exp: 2_000_000_000 }, { namespace, intervalMs })
}

const seriesOf = (metrics: ProviderMetrics, metric: string, namespace: string) =>
  metrics
    .text()
    .split('\n')
    .filter((line) => line.startsWith(`${metric}{`) && line.includes(`"${namespace}.`)).length

test('a namespace with thousands of certificates does not hide those of another from the alerts about their expiry', () => {
  const metrics = createProviderMetrics()
  for (let i = 0; i < 3000; i++) mount(metrics, 'evil', `c${i}`)
  mount(metrics, 'blue', 'tls')
  for (let i = 0; i < 3000; i++) mount(metrics, 'evil', `d${i}`)
  for (const [metric, limit] of [
    ['certificate_expiry_timestamp_seconds', 1000],
    ['keymount_provider_object_expiry_days', 500],
  ] as const) {
    assert.equal(seriesOf(metrics, metric, 'blue'), 1, metric)
    assert.equal(seriesOf(metrics, metric, 'evil'), limit - 1, metric)
  }
})

test('the expiry of a certificate stays until its volume should have been read again, also where that is once a day', async () => {
  const clock = createManualClock()
  const metrics = createProviderMetrics({ clock })
  mount(metrics, 'often', 'tls')
  mount(metrics, 'daily', 'tls', 24 * hour)
  const seen = () => ['often', 'daily'].map((one) => seriesOf(metrics, 'certificate_expiry_timestamp_seconds', one))
  assert.deepEqual(seen(), [1, 1])
  await clock.advance(2 * hour)
  assert.deepEqual(seen(), [0, 1])
  await clock.advance(40 * hour)
  assert.deepEqual(seen(), [0, 0])
})
