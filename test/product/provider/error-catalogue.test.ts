import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { errorCatalogue } from '#product/error-catalogue'

const root = join(import.meta.dirname, '../../..')

test('every code of the catalogue is thrown somewhere in the product', () => {
  const sources = globSync('src/{azure/{class,identity,keyvault},product/{provider,driver}}/**/*.ts', {
    cwd: root,
  }).filter((file) => !/catalogue|\.test\.ts$/.test(file))
  const text = sources.map((file) => readFileSync(join(root, file), 'utf8')).join('\n')
  // The lists of codes name each once, and the code that throws it names it again.
  const lists = /export const \w+ErrorCodes = \[[^\]]*\]/g
  const thrown = text.replaceAll(lists, '')
  assert.ok(sources.length > 30)
  assert.deepEqual(
    Object.keys(errorCatalogue).filter((code) => !thrown.includes(`'${code}'`)),
    [],
  )
})
