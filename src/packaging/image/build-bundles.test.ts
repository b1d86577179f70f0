import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { after, test } from 'node:test'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { buildBundles, compiledNames } from './build-bundles.ts'
import { nodeFlags } from './image-config.ts'

const root = resolve(import.meta.dirname, '../../..')
const directory = temporaryDirectory({ after }, 'keymount-bundles-')
const out = join(directory, 'one')
const { files } = await buildBundles({ root, out, node: process.execPath })

test('buildBundles() writes the same bytes each time, compiled code included, wherever it writes them', async () => {
  const again = join(directory, 'another place')
  await buildBundles({ root, out: again, node: process.execPath })
  assert.ok(files.some(({ path }) => path.endsWith('.cache')))
  for (const { path } of files) {
    const name = relative(out, path)
    assert.ok(readFileSync(path).equals(readFileSync(join(again, name))), name)
  }
})

test('Node takes the compiled code of each program and package with the flags of the image', () => {
  const compiled = files.map(({ path }) => path).filter((path) => existsSync(`${path}.cache`))
  assert.ok(compiled.length > compiledNames.length)
  const check = `
    const { readFileSync } = require('node:fs')
    const { Script } = require('node:vm')
    const { basename } = require('node:path')
    const rejected = process.argv.slice(1).filter((file) => {
      const source = readFileSync(file, 'latin1')
      const code = '(function (exports, require, module, __filename, __dirname) {' + source + '\\n})'
      return new Script(code, { filename: basename(file), cachedData: readFileSync(file + '.cache') }).cachedDataRejected
    })
    console.log(JSON.stringify(rejected))`
  const printed = execFileSync(process.execPath, [...nodeFlags, '-e', check, ...compiled], {
    cwd: out,
    encoding: 'utf8',
  })
  assert.deepEqual(JSON.parse(printed), [])
})

test('start.cjs loads a package once, and again after it has failed', () => {
  writeFileSync(
    join(out, 'node_modules/flaky.js'),
    "globalThis.n = (globalThis.n ?? 0) + 1; if (globalThis.n === 1) throw new Error('once'); module.exports = { n: globalThis.n }",
  )
  writeFileSync(
    join(out, 'tries.cjs'),
    "const found = [1, 2, 3].map(() => { try { return require('flaky').n } catch (error) { return error.message } }); console.log(JSON.stringify(found))",
  )
  const printed = execFileSync(process.execPath, [join(out, 'start.cjs'), 'tries'], { encoding: 'utf8' })
  assert.deepEqual(JSON.parse(printed), ['once', 2, 2])
})
