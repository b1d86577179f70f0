import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createMetrics } from '#lib'
import { eventually, until } from './eventually.ts'
import { parseMetrics } from './metrics.ts'
import { temporaryDirectory } from './temporary-directory.ts'

test('a temporary directory is removed after what was started later has stopped', async (t) => {
  let directory = ''
  const seen: boolean[] = []
  await t.test('that uses one', (inner) => {
    directory = temporaryDirectory(inner)
    inner.after(() => {
      seen.push(existsSync(directory))
      writeFileSync(join(directory, 'written while stopping'), '')
    })
  })
  assert.deepEqual([...seen, existsSync(directory)], [true, false])
})

test('eventually returns what the first try that does not throw returns, or throws what the last try threw', async () => {
  let tries = 0
  const third = () => {
    tries++
    if (tries < 3) throw new Error(`try ${tries}`)
    return tries
  }
  assert.equal(await eventually(third, { everyMs: 1 }), 3)
  const never = () => assert.equal(1, 2, 'never')
  await assert.rejects(eventually(never, { withinMs: 0, everyMs: 1 }), /never/)
})

test('until returns the first result, or throws what did not happen and what was thrown last', async () => {
  const results = [undefined, false as const, 'found']
  assert.equal(await until('a result', () => results.shift(), { everyMs: 1 }), 'found')
  const wait = { withinMs: 1, everyMs: 1 }
  await assert.rejects(
    until('a pod', () => undefined, wait),
    /^Error: a pod: did not happen within 0.001 s$/,
  )
  const broken = () => {
    throw new Error('refused')
  }
  await assert.rejects(until('a pod', broken, wait), /a pod: did not happen within 0.001 s; last: Error: refused/)
})

test('metrics are read with their labels, and samples are summed over the labels that are not named', () => {
  const metrics = createMetrics({
    calls: {
      type: 'counter',
      name: 'calls_total',
      help: 'Calls.',
      labels: { path: 'what was called', code: 'status' },
    },
    wait: { type: 'histogram', name: 'wait_sec', help: 'Wait.', buckets: [1] },
  })
  metrics.series.calls.add({ path: 'a"b\\c\nd,e="', code: '200' })
  metrics.series.calls.add({ path: 'x', code: '200' }, 2)
  metrics.series.wait.observe(3)
  const page = parseMetrics(metrics.text())
  assert.equal(page.value('calls_total'), 3)
  assert.equal(page.value('calls_total', { path: 'a"b\\c\nd,e="' }), 1)
  assert.equal(page.value('calls_total', { path: 'y' }), undefined)
  assert.equal(page.value('wait_sec_bucket', { le: '+Inf' }), 1)
  assert.equal(page.value('wait_sec_sum'), 3)
})

test('text that is not the Prometheus format is refused', () => {
  for (const [text, message] of [
    ['# TYPE a counter\na 1', /end with a line feed/],
    ['a 1\n', /a has no TYPE line/],
    ['# TYPE a counter\na{b=c} 1\n', /labels that cannot be read/],
    ['# TYPE a counter\na{b="1",b="2"} 1\n', /label b twice/],
    ['# TYPE a counter\na one\n', /not a number/],
    ['# TYPE a counter\n# TYPE a gauge\n', /two TYPE lines/],
  ] as const) {
    assert.throws(() => parseMetrics(text), message)
  }
})
