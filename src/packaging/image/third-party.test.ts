import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { platformOfMachine } from './platforms.ts'
import { sbom } from './sbom.ts'
import { systemFiles } from './system-files.ts'
import { licencesText, thirdParties } from './third-party.ts'

interface Hash {
  alg: string
  content: string
}

const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')

const root = resolve(import.meta.dirname, '../../..')
const inputs = [
  'src/bin/driver.ts',
  'node_modules/yaml/dist/index.js',
  'node_modules/yaml/dist/nodes/Node.js',
  'node_modules/@grpc/grpc-js/build/src/index.js',
]
const system = { path: '/', node: process.execPath, nodeVersion: 'v24.1.0', emulator: [] }
const all = await thirdParties({
  root,
  inputs,
  system,
  files: await systemFiles(platformOfMachine(), system),
})

test('thirdParties() names each package of a bundle once, with the data of the lock file, and Node', () => {
  const npm = all.filter(({ purl }) => purl.startsWith('pkg:npm/'))
  assert.deepEqual(
    npm.map(({ name }) => name),
    ['@grpc/grpc-js', 'yaml'],
  )
  assert.match(npm[0]?.purl ?? '', /^pkg:npm\/%40grpc\/grpc-js@\d+\.\d+\.\d+$/)
  assert.match(npm[0]?.integrity ?? '', /^sha512-/)
  assert.match(npm[0]?.text ?? '', /Apache License/)
  assert.equal(all.find(({ name }) => name === 'node')?.purl, 'pkg:generic/node@24.1.0')
})

test('licencesText() has the text of every licence', () => {
  const text = licencesText(all)
  for (const { name, version } of all) assert.ok(text.includes(`\n${name} ${version}`), name)
  assert.match(text, /Permission to use, copy, modify, and\/or distribute this software/)
})

test('sbom() is CycloneDX with a hash for every npm package, and the same bytes for the same content', () => {
  const bom = sbom('1.2.3', all) as {
    bomFormat: string
    components: { purl: string; hashes?: { alg: string; content: string }[] }[]
  }
  assert.equal(bom.bomFormat, 'CycloneDX')
  assert.equal(new Set(bom.components.map(({ purl }) => purl)).size, all.length)
  for (const { purl, hashes } of bom.components.filter(({ purl: ref }) => ref.startsWith('pkg:npm/'))) {
    assert.equal(hashes?.[0]?.alg, 'SHA-512', purl)
    assert.match(hashes[0].content, /^[0-9a-f]{128}$/)
  }
  assert.equal(JSON.stringify(sbom('1.2.3', all)), JSON.stringify(bom))
})

test('sbom() has the hash of Node and of every file that the machine gave, each once', async () => {
  const { components } = sbom('1.2.3', all) as {
    components: { name: string; hashes?: Hash[]; components?: { name: string; hashes: Hash[] }[] }[]
  }
  const node = components.find(({ name }) => name === 'node')
  assert.deepEqual(node?.hashes, [{ alg: 'SHA-256', content: sha256(process.execPath) }])
  const recorded = components.flatMap(({ components: files = [] }) => files)
  const files = await systemFiles(platformOfMachine(), system)
  assert.deepEqual(
    recorded.toSorted((a, b) => a.name.localeCompare(b.name)),
    files
      .map(({ path, source }) => ({
        type: 'file',
        name: path,
        hashes: [{ alg: 'SHA-256', content: sha256(source) }],
      }))
      .toSorted((a, b) => a.name.localeCompare(b.name)),
  )
})

test('a file that no package owns is recorded under the distribution of the machine', async (t) => {
  const source = join(temporaryDirectory(t, 'keymount-unowned-'), 'libown.so')
  writeFileSync(source, 'own')
  const files = [{ path: '/usr/lib/libown.so', source }]
  const parties = await thirdParties({ root, inputs: [], system, files })
  assert.deepEqual(parties.at(-1)?.files, [{ path: '/usr/lib/libown.so', sha256: sha256(source) }])
  assert.match(parties.at(-1)?.purl ?? '', /^pkg:generic\/[a-z]+@/)
})

test('thirdParties() does without Node’s licence where its file is not beside it', async () => {
  const elsewhere = { root, inputs: [], system: { ...system, node: import.meta.filename }, files: [] }
  assert.deepEqual(
    (await thirdParties(elsewhere)).map(({ name }) => name),
    ['node'],
  )
})
