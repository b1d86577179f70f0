import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startLocalAzure } from '../support/local-azure.ts'

test('docs/lab.md lists exactly the operations that the local Azure does', async (t) => {
  const azure = await startLocalAzure(t)
  const { operations } = (await azure.control('GET', '/operations')) as { operations: string[] }
  const page = readFileSync(join(import.meta.dirname, '../../docs/lab.md'), 'utf8')
  const table = page.slice(page.indexOf('### Operations'), page.indexOf('### Where it differs'))
  const documented = [...table.matchAll(/`((?:entra|arm|graph|vault|imds)\.[\w.]+)`/g)].map(([, name = '']) => name)
  assert.deepEqual(documented.toSorted(), operations)
})
