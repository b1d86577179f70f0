import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createManualClock } from '../../../test/support/manual-clock.ts'
import { createFairTable } from './fair-table.ts'

test('a namespace that fills the table makes room for others up to their shares, and keeps what they leave', () => {
  const table = createFairTable<string>(10, createManualClock())
  const add = (namespace: string, count: number) => {
    for (let i = 0; i < count; i++) table.set(`${namespace}/${i}`, `${namespace}/${i}`, { namespace, keepMs: 1000 })
  }
  const counts = () => {
    const byNamespace = Map.groupBy(table.values(), (value) => value.split('/')[0])
    return Object.fromEntries([...byNamespace].map(([namespace, values]) => [namespace, values.length]))
  }
  add('evil', 500)
  assert.deepEqual(counts(), { evil: 10 })
  add('blue', 2)
  add('evil', 500)
  assert.deepEqual(counts(), { evil: 8, blue: 2 })
  add('red', 500)
  assert.deepEqual(counts(), { evil: 4, blue: 2, red: 4 })
})

test('an entry that is not renewed in its time goes', async () => {
  const clock = createManualClock()
  const table = createFairTable<string>(10, clock)
  table.set('a', 'a', { namespace: 'n', keepMs: 1000 })
  table.set('b', 'b', { namespace: 'n', keepMs: 5000 })
  await clock.advance(900)
  table.set('a', 'a again', { namespace: 'n', keepMs: 1000 })
  await clock.advance(900)
  assert.deepEqual(table.values(), ['b', 'a again'])
  await clock.advance(900)
  assert.deepEqual(table.values(), ['b'])
})

test('no order of entries gives a namespace less than its share or the table more than its limit', () => {
  const step = fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 30 }))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const table = createFairTable<number>(12, createManualClock())
      const asked = new Map<number, Set<number>>()
      for (const [namespace, key] of steps) {
        asked.set(namespace, (asked.get(namespace) ?? new Set()).add(key))
        table.set(`${namespace}/${key}`, namespace, { namespace: `${namespace}`, keepMs: 1000 })
      }
      const values = table.values()
      assert.ok(values.length <= 12)
      for (const [namespace, keys] of asked) {
        const held = values.filter((one) => one === namespace).length
        assert.ok(held >= Math.min(keys.size, 2), `${namespace} has ${held}`)
      }
    }),
  )
})
