import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { checkClass, formatFinding } from '#azure/class'

const examples = resolve(import.meta.dirname, '../../../examples')

/** With names in place of its variables, as `envsubst` puts them there. */
function classesIn(file: string): unknown[] {
  const text = readFileSync(join(examples, file), 'utf8').replace(/\$\{(\w+)\}/g, 'some-name')
  return parseAllDocuments(text)
    .map((document) => document.toJS() as { kind?: string } | null)
    .filter((object) => object?.kind === 'SecretProviderClass')
}

const files = globSync('*/*.yaml', { cwd: examples }).filter((file) => classesIn(file).length > 0)

test('there are examples of classes', () => {
  assert.ok(files.length >= 7)
})

for (const file of files) {
  test(`there is no finding about the class in examples/${file}`, () => {
    for (const object of classesIn(file)) {
      // That it signs in as the node is what the example of managed identity is about.
      const others = checkClass(object).filter(({ path }) => path !== 'spec.parameters.useVMManagedIdentity')
      assert.deepEqual(others.map(formatFinding), [])
    }
  })
}
