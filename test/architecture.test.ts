import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'

/**
 * Which part may import which. Two parts that are not joined here and must talk do it over their wire, as in production.
 * `bin` is absent: it is the only place that wires everything together.
 */
const arrows: Record<string, readonly string[]> = {
  lib: [],
  csi: ['lib'],
  netfilter: ['lib'],
  image: ['lib'],
  charts: ['lib'],
  'provider-api': ['lib'],
  kube: ['lib'],
  keyvault: ['lib'],
  identity: ['lib'],
  'azure-rest': ['identity', 'lib'],
  driver: ['csi', 'provider-api', 'kube', 'lib'],
  'azure-class': ['identity', 'keyvault', 'kube', 'lib'],
  provider: ['azure-class', 'provider-api', 'identity', 'keyvault', 'kube', 'lib'],
  webhook: ['azure-class', 'proxy', 'kube', 'lib'],
  'pod-identity': ['identity', 'azure-rest', 'kube', 'netfilter', 'lib'],
  proxy: ['identity', 'netfilter', 'lib'],
  'local-azure': ['keyvault', 'lib'],
  'local-cluster': ['csi', 'kube', 'lib'],
  cli: ['kube', 'keyvault', 'azure-class', 'azure-rest', 'identity', 'image', 'charts', 'proxy', 'lib'],
  dashboard: ['kube', 'keyvault', 'lib'],
}

const root = resolve(import.meta.dirname, '../src')

interface Import {
  file: string
  from: string
  to: string
  target: string
  typeOnly: boolean
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8')
  const found: Import[] = []
  for (const match of text.matchAll(
    /(?:import|export)\s+(type\s)?[^'";]*?from\s+['"](\.[^'"]+)['"]|import\(\s*['"](\.[^'"]+)['"]/g,
  )) {
    const target = relative(root, resolve(root, dirname(file), match[2] ?? match[3] ?? ''))
    found.push({
      file,
      from: file.split('/')[0] ?? '',
      to: target.split('/')[0] ?? '',
      target,
      typeOnly: match[1] !== undefined,
    })
  }
  return found
}

const files = globSync('**/*.ts', { cwd: root })
const imports = files.flatMap(importsOf)
const crossing = imports.filter(({ from, to }) => from !== to && from !== 'bin')

test('every folder of src is a part that the architecture names', () => {
  const parts = new Set(files.map((file) => file.split('/')[0] ?? ''))
  parts.delete('bin')
  assert.deepEqual(
    [...parts].filter((part) => !(part in arrows)),
    [],
  )
})

test('imports between parts follow the arrows', () => {
  const broken = crossing
    .filter(({ file, target }) => !(file.endsWith('.test.ts') && target.startsWith('../test/')))
    .filter(({ from, to }) => !(arrows[from] ?? []).includes(to))
    .map(({ file, from, to, target }) => `${file} imports ${target}: there is no arrow from ${from} to ${to}`)
  assert.deepEqual(broken, [])
})

test('a part is imported through its index.ts only', () => {
  const broken = crossing
    .filter(({ target }) => !target.startsWith('..'))
    .filter(({ to, target }) => target !== `${to}/index.ts`)
    .map(({ file, to, target }) => `${file} imports ${target}; import ${to}/index.ts`)
  assert.deepEqual(broken, [])
})

test('no file is led back to itself by its imports, those of types included', () => {
  const needs = new Map(
    files.map((file) => [file, imports.filter((one) => one.file === file).map(({ target }) => target)]),
  )
  const loaded = new Set<string>()
  const circles: string[] = []
  const load = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '))
    else if (!loaded.has(file)) {
      for (const needed of needs.get(file) ?? []) load(needed, [...path, file])
      loaded.add(file)
    }
  }
  for (const file of files) load(file, [])
  assert.deepEqual(circles, [])
})

test('the emulator of the vault shares types with our client, never code', () => {
  const broken = crossing
    .filter(({ from, to, typeOnly }) => from === 'local-azure' && to === 'keyvault' && !typeOnly)
    .map(({ file, target }) => `${file} imports ${target} as a value; only "import type" is allowed`)
  assert.deepEqual(broken, [])
})

test('only src/bin reads argv, env and signals, and ends the process', () => {
  // run-until-signal is the one library function that bin calls for exactly this.
  const allowed = new Set(['lib/run-until-signal.ts'])
  const broken = files
    .filter((file) => !file.startsWith('bin/') && !file.endsWith('.test.ts') && !allowed.has(file))
    .filter((file) => /\bprocess\.((argv|env|exit)\b|on\()/.test(readFileSync(join(root, file), 'utf8')))
  assert.deepEqual(broken, [])
})
