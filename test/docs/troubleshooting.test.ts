/** docs/troubleshooting.md leads from every error code and every event of the product to a page. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { explanations } from '#product/error-catalogue'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/troubleshooting.md'), 'utf8')

test('every error code is linked from a symptom', () => {
  const codes = Object.keys(explanations)
  assert.ok(codes.length > 90)
  assert.deepEqual(
    codes.filter((code) => !page.includes(`(errors.md#${code})`)),
    [],
  )
})

test('every code in square brackets that the sources can report is in the catalogue', () => {
  const files = globSync('src/product/**/*.ts', { cwd: root }).filter((file) => !file.endsWith('.test.ts'))
  const codes = files.flatMap((file) => {
    // In texts, `[vault-forbidden]`; a character class of a regular expression has no word of this form.
    const text = readFileSync(join(root, file), 'utf8').replaceAll(/^\s*(\/\/|\*|\/\*).*$/gm, '')
    return [...text.matchAll(/\[([a-z]{3,}(?:-[a-z]{2,})+)\]/g)].map(([, code = '']) => code)
  })
  assert.ok(codes.includes('provider-missing'), 'this test does not find the codes any more')
  assert.deepEqual(
    [...new Set(codes)].filter((code) => !Object.hasOwn(explanations, code)),
    [],
  )
})

test('every code is explained by a cause and a fix, in whole sentences', () => {
  for (const [code, { meaning, fix }] of Object.entries(explanations)) {
    assert.match(meaning, /^[`A-Z].{10,}\.$/, code)
    assert.ok(fix.length > 10, code)
  }
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
