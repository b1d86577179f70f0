import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEventsMetrics } from '#product/operator'
import { readFigures } from './read-figures.ts'

test('what the operator writes is what events status reads', () => {
  const metrics = createEventsMetrics()
  metrics.sourceUp('queue', true)
  metrics.sourceUp('vault shop', false)
  metrics.received('secret', 1_800_000_000)
  metrics.ignored('unmatched')
  metrics.ignored('unmatched')
  metrics.lag(0.5)
  metrics.lag(1.5)
  metrics.age(7000)
  metrics.confirmed(['shop.vault.azure.net', 'bank.vault.azure.net'])
  metrics.confirmed(['bank.vault.azure.net'])
  metrics.state(() => ({ held: 3, classes: 4 }))
  assert.deepEqual(readFigures(metrics.text()), {
    sources: [
      { name: 'queue', up: true },
      { name: 'vault shop', up: false },
    ],
    last: 1_800_000_000_000,
    lag: 1,
    age: 7,
    held: 3,
    classes: 4,
    confirmed: [
      { vault: 'shop.vault.azure.net', isConfirmed: false },
      { vault: 'bank.vault.azure.net', isConfirmed: true },
    ],
    ignored: { unmatched: 2 },
  })
})

test('an operator without events has no figures', () => {
  const none = { sources: [], last: undefined, lag: undefined, age: 0, held: 0, classes: 0, confirmed: [], ignored: {} }
  assert.deepEqual(readFigures('restart_total 1\n'), none)
})

test('a time that no date can have is left out', () => {
  for (const value of ['NaN', '1e300', '-1', 'x'])
    assert.equal(readFigures(`events_last_timestamp_seconds ${value}\n`).last, undefined)
})
