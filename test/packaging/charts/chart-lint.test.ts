import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { test } from 'node:test'

test('values, schema, templates and flags know the same names', () => {
  const script = resolve(import.meta.dirname, '../../../scripts/chart-lint.ts')
  const { status, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8' })
  assert.equal(stderr, '')
  assert.equal(status, 0)
})
