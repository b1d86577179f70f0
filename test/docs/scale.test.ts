/** What docs/scale.md states about the load of a vault, compared with its own table and with the computation of bench/cluster-model.ts. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { peakOfBursts } from '../../bench/support/superpose.ts'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/scale.md'), 'utf8').replaceAll('\n', ' ')

/** The cells of the computed table, as numbers where they are. */
const rows = [...readFileSync(join(root, 'docs/scale.md'), 'utf8').matchAll(/^\| ([\d,]+) \| ([\d,].*) \|$/gm)].map(
  ([, nodes = '', rest = '']) => ({ nodes: numberOf(nodes), cells: rest.split(' | ') }),
)

function numberOf(text: string): number {
  return Number(text.replaceAll(',', ''))
}

/** The numbers that a sentence of the page has in the places of its groups. */
function numbersIn(sentence: RegExp): number[] {
  const found = sentence.exec(page)
  assert.notEqual(found, null, String(sentence))
  return (found ?? []).slice(1).map(numberOf)
}

/** Requests in ten seconds that a vault allows. */
const vault = 4000
/** Different objects of a node of the model. */
const objects = 200
const hourly = (nodes: number) => peakOfBursts({ nodes, size: objects, spanMs: 3_600_000, windowMs: 10_000 })
const share = (readsPerSecond: number) => (readsPerSecond * 10) / vault

test('the clusters that need no thought take at most a tenth of a vault at the default interval', () => {
  const [most = 0, ...examples] = numbersIn(
    /N × K is at most ([\d,]+): .*? That is (\d+) nodes with (\d+) objects each, (\d+) nodes with (\d+), or (\d+) nodes with (\d+)\./,
  )
  assert.equal(share(most / 120), 0.1)
  for (let index = 0; index < examples.length; index += 2)
    assert.equal((examples[index] ?? 0) * (examples[index + 1] ?? 0), most)
  // No row of the table is among them: all need another interval.
  assert.deepEqual(
    rows.map(({ nodes }) => nodes).filter((nodes) => nodes * objects <= most),
    [],
  )
})

test('the sentences below the table of docs/scale.md have its numbers', () => {
  assert.equal(rows.length, 4)
  const [tenth = 0, all = 0, hour = 0, from = 0, peak = 0, nodes = 0, highest = 0] = numbersIn(
    /takes 10 % of that at (\d+) nodes and uses it up at (\d+)\. Polling every hour uses it up on average at ([\d,]+) nodes, but its highest 10 seconds exceed it from about ([\d,]+) nodes, and are ([\d,]+) reads at ([\d,]+) nodes.*? at most ([\d,]+) reads in each row/,
  )
  assert.deepEqual([tenth, all, hour], [((vault / 10 / 10) * 120) / objects, 250, ((vault / 10) * 3600) / objects])
  assert.equal(share((all * objects) / 120).toFixed(1), '1.0')
  assert.ok(hourly(from) > vault && hourly(from - 100) <= vault)
  assert.equal(hourly(nodes), peak)
  for (const row of rows) assert.equal(numberOf(row.cells[4] ?? ''), hourly(row.nodes))
  const atTenth = rows.map(({ nodes }) => {
    const spanMs = Math.ceil((nodes * objects) / 40 / 60) * 60_000
    return peakOfBursts({ nodes, size: objects, spanMs, windowMs: 10_000 })
  })
  assert.equal(Math.max(...atTenth), highest)
})

test('docs/scale.md names the value that slows status writes down', () => {
  assert.match(page, /`statusInterval\.enabled` \(off by default/)
  assert.doesNotMatch(page, /operator \(`events\.enabled`\) counts/)
})
