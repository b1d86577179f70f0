import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { temporaryDirectory } from '../../../../test/support/temporary-directory.ts'
import { openRecordStore } from './record-store.ts'

function temporaryFile(t: TestContext): string {
  return join(temporaryDirectory(t), 'state.jsonl')
}

test('records of one commit appear together, also after opening again', (t) => {
  const path = temporaryFile(t)
  const store = openRecordStore(path)
  const fruits = store.collection<{ colour: string }>('fruits')
  const places = store.collection<string>('places')
  store.commit([fruits.put('apple', { colour: 'red' }), places.put('here', 'x')])
  store.commit([fruits.put('pear', { colour: 'green' }), fruits.remove('apple')])
  store.close()
  const again = openRecordStore(path)
  assert.deepEqual([...again.collection<unknown>('fruits').values()], [{ colour: 'green' }])
  assert.equal(again.collection<string>('places').get('here'), 'x')
  again.close()
})

test('a change that cannot be written changes nothing', (t) => {
  const store = openRecordStore(temporaryFile(t))
  const fruits = store.collection<unknown>('fruits')
  const circular: { self?: unknown } = {}
  circular.self = circular
  assert.throws(() => store.commit([fruits.put('apple', 1), fruits.put('pear', circular)]), { name: 'StateWriteError' })
  assert.equal(fruits.size, 0)
  store.close()
})

test('an observer gets every record and every change, so that an index is always right', (t) => {
  const path = temporaryFile(t)
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.option(fc.integer({ min: 0, max: 9 })))),
      (changes) => {
        rmSync(path, { force: true })
        const store = openRecordStore(path)
        const numbers = store.collection<number>('numbers')
        const index = new Map<string, number>()
        const half = Math.floor(changes.length / 2)
        for (const [key, value] of changes.slice(0, half))
          store.commit([value === null ? numbers.remove(key) : numbers.put(key, value)])
        numbers.observe((key, after, before) => {
          assert.equal(index.get(key), before)
          if (after === undefined) index.delete(key)
          else index.set(key, after)
        })
        for (const [key, value] of changes.slice(half))
          store.commit([value === null ? numbers.remove(key) : numbers.put(key, value)])
        assert.deepEqual([...index.values()].toSorted(), [...numbers.values()].toSorted())
        store.close()
      },
    ),
    { numRuns: 50 },
  )
})

test('the file is rewritten when most of its lines are outdated, in the order of the records', (t) => {
  const path = temporaryFile(t)
  const store = openRecordStore(path)
  const numbers = store.collection<number>('numbers')
  store.commit([numbers.put('first', 1), numbers.put('second', 2)])
  for (let i = 0; i < 6000; i++) store.commit([numbers.put('second', i)])
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  assert.ok(lines.length < 2000, `${lines.length} lines`)
  assert.equal(lines[0], '{"format":1}')
  store.commit([numbers.put('third', 3)])
  store.close()
  const again = openRecordStore(path)
  assert.deepEqual([...again.collection<number>('numbers').values()], [1, 5999, 3])
  again.close()
})
