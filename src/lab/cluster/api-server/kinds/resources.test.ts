import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { builtInFields } from './built-in-fields.ts'
import { columns } from './columns.ts'
import { builtInRows } from './resources.ts'

const plurals = builtInRows.map(({ plural }) => plural)

test('every kind has its columns and its fields, and no others have', () => {
  assert.deepEqual(Object.keys(columns).toSorted(), plurals.toSorted())
  assert.deepEqual(Object.keys(builtInFields).toSorted(), plurals.toSorted())
})

test('docs/lab.md lists the kinds that there are', () => {
  const page = readFileSync(new URL('../../../../../docs/lab.md', import.meta.url), 'utf8')
  const [, done = ''] = /^\| \*\*Kinds\*\* \|([^|]*)\|/m.exec(page) ?? []
  const listed = [...done.matchAll(/`(\w+)`/g)].map(([, plural]) => plural)
  assert.deepEqual(listed, plurals)
})
