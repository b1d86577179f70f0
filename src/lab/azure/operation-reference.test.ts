import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { describeOperations } from './operation-reference.ts'

test('an operation that is implemented is not listed as a gap', async (t) => {
  const services = await describeOperations(temporaryDirectory(t))
  for (const { implemented, notImplemented } of Object.values(services)) {
    const names = new Set(implemented.map(({ operation }) => operation))
    assert.notEqual(names.size, 0)
    const stale = notImplemented.filter(({ operation }) => names.has(operation))
    assert.deepEqual(stale, [])
  }
})
