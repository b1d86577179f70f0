/** docs/troubleshooting.md leads from every error code and every event of the product to a page. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { errorCatalogue } from '#product/error-catalogue'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/troubleshooting.md'), 'utf8')

test('every error code is linked from a symptom', () => {
  const codes = Object.keys(errorCatalogue)
  assert.ok(codes.length > 50)
  assert.deepEqual(
    codes.filter((code) => !page.includes(`(errors.md#${code})`)),
    [],
  )
})

/** Reasons of events in the sources of the product: of `record(…)`, and of the lists that it is called with. */
function eventReasons(): string[] {
  const files = globSync('src/product/**/*.ts', { cwd: root }).filter((file) => !file.endsWith('.test.ts'))
  const reasons = files.flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8')
    const recorded = text.matchAll(/\.record\([\s\S]{1,200}?,\s*'(?:Normal|Warning)',\s*'([^']+)'/g)
    const listed = /type SyncFailureReason =((?:[^\n]*\n)+?)\n/.exec(text)?.[1]?.matchAll(/\| '(\w+)'/g) ?? []
    const ofBindings = file.includes('pod-identity') ? text.matchAll(/reason: '((?:binding|status) [a-z ]+)'/g) : []
    return [...recorded, ...listed, ...ofBindings].map(([, reason = '']) => reason)
  })
  return [...new Set(reasons)]
}

test('every event of the product is in the table of events, with a page', () => {
  const reasons = eventReasons()
  for (const sample of ['MountRotationFailed', 'SecretRemoved', 'Synced', 'ProviderError', 'binding remove error']) {
    assert.ok(reasons.includes(sample), `the sources have no ${sample}: this test does not find the reasons any more`)
  }
  const rows =
    page
      .split('\n## Events\n')[1]
      ?.split('\n')
      .filter((line) => line.startsWith('| `')) ?? []
  const inTable = (reason: string) =>
    rows.some((row) => row.includes(`\`${reason}\``) && / \[[^\]]+\]\([^)]+\) \|$/.test(row))
  assert.deepEqual(
    reasons.filter((reason) => !inTable(reason)),
    [],
  )
})
