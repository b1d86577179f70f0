import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { errorCatalogue } from '#product/provider'
import { renderErrorCatalogue } from '../../../scripts/render-error-catalogue.ts'

const root = join(import.meta.dirname, '../../..')

test('docs/errors.md is what the catalogue says', () => {
  const found = readFileSync(join(root, 'docs/errors.md'), 'utf8')
  assert.equal(found, renderErrorCatalogue(), 'run: node bin/node.mjs scripts/generate-error-catalogue.ts')
})

test('every code of the catalogue is given by some code of the product', () => {
  const sources = ['identity', 'keyvault', 'provider'].flatMap((part) =>
    globSync(`src/${part}/*.ts`, { cwd: root }).filter((file) => !/catalogue|\.test\.ts$/.test(file)),
  )
  const text = sources.map((file) => readFileSync(join(root, file), 'utf8')).join('\n')
  // The lists of codes name each once; whatever throws it names it again.
  const lists = /export const \w+ErrorCodes = \[[^\]]*\]/g
  const thrown = text.replaceAll(lists, '')
  assert.deepEqual(
    Object.keys(errorCatalogue).filter((code) => !thrown.includes(`'${code}'`)),
    [],
  )
})
