import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { builtInRows } from './built-in-kinds.ts'

test('docs/lab.md lists the built-in kinds', () => {
  const page = readFileSync(new URL('../../../../../docs/lab.md', import.meta.url), 'utf8')
  const [, done = ''] = /^\| \*\*Kinds\*\* \|([^|]*)\|/m.exec(page) ?? []
  const listed = [...done.matchAll(/`(\w+)`/g)].map(([, plural]) => plural)
  const plurals = builtInRows.map(({ plural }) => plural)
  assert.deepEqual(listed.toSorted(), plurals.toSorted())
})
