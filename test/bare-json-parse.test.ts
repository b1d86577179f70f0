import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'

const root = resolve(import.meta.dirname, '../src')

/**
 * The errors of `JSON.parse` quote the text around a fault, which may be a secret; `parseJson` of `#lib/formats` does not, and
 * bounds depth and length. What runs in a cluster parses with it.
 */
const parsers = new Set(['lib/formats/json.ts'])

test('what runs in a cluster parses JSON with parseJson() only', () => {
  const files = globSync('{azure,bin,daemon,kubernetes,lib,product}/**/*.ts', { cwd: root })
  const broken = files
    .filter((file) => !file.endsWith('.test.ts') && !parsers.has(file))
    .filter((file) => /\bJSON\.parse\(/.test(readFileSync(join(root, file), 'utf8')))
  assert.ok(files.length > 300)
  assert.deepEqual(broken, [])
})
