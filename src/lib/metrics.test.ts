import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics } from './metrics.ts'

test('a metric without a sample is not shown', () => {
  const metrics = createMetrics()
  metrics.counter('calls_total', 'Calls.')
  assert.equal(metrics.text(), '')
})

test('counters count per set of labels, and label values are escaped', () => {
  const metrics = createMetrics({ scope: 's' })
  const calls = metrics.counter('calls_total', 'Calls.')
  calls.add({ path: 'a"b\\c\nd' })
  calls.add({ path: 'a"b\\c\nd' })
  calls.add({ path: 'x' }, 5)
  assert.equal(
    metrics.text(),
    '# HELP calls_total Calls.\n# TYPE calls_total counter\n' +
      'calls_total{path="a\\"b\\\\c\\nd",scope="s"} 2\ncalls_total{path="x",scope="s"} 5\n',
  )
})

test('histograms have cumulative buckets, a sum and a count', () => {
  const metrics = createMetrics()
  const seconds = metrics.histogram('wait_sec', 'Wait.', [0.1, 1])
  for (const value of [0.05, 0.1, 0.5, 7]) seconds.observe(value)
  assert.equal(
    metrics.text(),
    '# HELP wait_sec Wait.\n# TYPE wait_sec histogram\n' +
      'wait_sec_bucket{le="0.1"} 2\nwait_sec_bucket{le="1"} 3\nwait_sec_bucket{le="+Inf"} 4\nwait_sec_sum 7.65\nwait_sec_count 4\n',
  )
})

test('gauges are read at the time of the scrape', () => {
  const metrics = createMetrics()
  const volumes = metrics.gauge('volumes', 'Volumes.')
  let count = 1
  metrics.beforeScrape(() => volumes.set(count))
  assert.match(metrics.text(), /^volumes 1$/m)
  count = 2
  assert.match(metrics.text(), /^volumes 2$/m)
})
