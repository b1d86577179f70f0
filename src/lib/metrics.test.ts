import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics } from './metrics.ts'

test('a metric without a sample is not shown', () => {
  const metrics = createMetrics({ calls: { type: 'counter', name: 'calls_total', help: 'Calls.' } })
  assert.equal(metrics.text(), '')
})

test('counters count per set of labels, and label values are escaped', () => {
  const metrics = createMetrics(
    { calls: { type: 'counter', name: 'calls_total', help: 'Calls.', labels: { path: 'what was called' } } },
    { scope: 's' },
  )
  metrics.series.calls.add({ path: 'a"b\\c\nd' })
  metrics.series.calls.add({ path: 'a"b\\c\nd' })
  metrics.series.calls.add({ path: 'x' }, 5)
  assert.equal(
    metrics.text(),
    '# HELP calls_total Calls.\n# TYPE calls_total counter\n' +
      'calls_total{path="a\\"b\\\\c\\nd",scope="s"} 2\ncalls_total{path="x",scope="s"} 5\n',
  )
})

test('histograms have cumulative buckets, a sum and a count', () => {
  const metrics = createMetrics({ wait: { type: 'histogram', name: 'wait_sec', help: 'Wait.', buckets: [0.1, 1] } })
  for (const value of [0.05, 0.1, 0.5, 7]) metrics.series.wait.observe(value)
  assert.equal(
    metrics.text(),
    '# HELP wait_sec Wait.\n# TYPE wait_sec histogram\n' +
      'wait_sec_bucket{le="0.1"} 2\nwait_sec_bucket{le="1"} 3\nwait_sec_bucket{le="+Inf"} 4\nwait_sec_sum 7.65\nwait_sec_count 4\n',
  )
})

test('gauges are read at the time of the scrape', () => {
  const metrics = createMetrics({ volumes: { type: 'gauge', name: 'volumes', help: 'Volumes.' } })
  let count = 1
  metrics.beforeScrape(() => metrics.series.volumes.set(count))
  assert.match(metrics.text(), /^volumes 1$/m)
  count = 2
  assert.match(metrics.text(), /^volumes 2$/m)
})

test('a label with a limit counts what comes after it, and values of another form, as other', () => {
  const metrics = createMetrics({
    calls: {
      type: 'counter',
      name: 'calls_total',
      help: 'Calls.',
      labels: { code: { help: 'what a provider answered', limit: 2, pattern: /^\w+$/, other: 'Other' } },
    },
  })
  for (const code of ['a', 'b', 'c', 'd', 'a', 'not a word']) metrics.series.calls.add({ code })
  assert.deepEqual(metrics.text().trim().split('\n').slice(2), [
    'calls_total{code="a"} 2',
    'calls_total{code="b"} 1',
    'calls_total{code="Other"} 3',
  ])
})
