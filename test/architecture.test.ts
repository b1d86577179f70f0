import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'

/**
 * Which group may import which. A group is a folder of `src`. `lab` and `product` import each other in neither direction:
 * the lab starts the real programs, and they meet over sockets, HTTPS and gRPC, as in a cluster.
 */
const groups: Record<string, readonly string[]> = {
  lib: [],
  kubernetes: ['lib'],
  azure: ['kubernetes', 'lib'],
  terminal: ['lib'],
  daemon: ['kubernetes', 'lib'],
  packaging: ['lib'],
  product: ['daemon', 'packaging', 'azure', 'kubernetes', 'lib'],
  lab: ['terminal', 'packaging', 'azure', 'kubernetes', 'lib'],
  cli: ['product', 'lab', 'terminal', 'packaging', 'azure', 'kubernetes', 'lib'],
}

/**
 * Which part may import which. A part is a folder of a group, or a group that has no folders; the folders of `lib` are
 * parts, and so are the files directly in it. An arrow that no import uses is deleted.
 */
const parts: Record<string, readonly string[]> = {
  lib: [],
  'lib/async': ['lib'],
  'lib/files': ['lib', 'lib/formats', 'lib/http'],
  'lib/flags': ['lib', 'lib/formats'],
  'lib/formats': ['lib', 'lib/worker'],
  'lib/http': ['lib', 'lib/async', 'lib/flags', 'lib/formats'],
  'lib/template': ['lib', 'lib/formats'],
  'lib/worker': ['lib', 'lib/async'],
  'kubernetes/client': ['lib', 'lib/async', 'lib/flags', 'lib/formats', 'lib/http'],
  'kubernetes/csi': [],
  'kubernetes/grpc': ['kubernetes/sockets', 'lib', 'lib/flags'],
  'kubernetes/netfilter': ['lib'],
  'kubernetes/provider-protocol': ['kubernetes/sockets', 'lib'],
  'kubernetes/secret-data': ['kubernetes/client', 'lib', 'lib/formats', 'lib/worker'],
  'kubernetes/sockets': ['lib', 'lib/http'],
  'kubernetes/volume-files': ['lib'],
  'azure/identity': ['lib', 'lib/async', 'lib/formats', 'lib/http', 'lib/worker'],
  'azure/keyvault': ['lib', 'lib/formats', 'lib/http'],
  'azure/rest': ['azure/identity', 'lib', 'lib/formats', 'lib/http'],
  'azure/class': [
    'azure/identity',
    'azure/keyvault',
    'kubernetes/client',
    'kubernetes/volume-files',
    'lib',
    'lib/flags',
    'lib/formats',
    'lib/template',
    'lib/worker',
  ],
  'azure/lint': ['azure/class', 'azure/identity', 'kubernetes/client', 'lib', 'lib/formats'],
  terminal: ['lib', 'lib/formats', 'lib/http'],
  daemon: ['kubernetes/client', 'lib', 'lib/async', 'lib/flags', 'lib/http'],
  'packaging/charts': ['lib', 'lib/formats', 'lib/http'],
  'packaging/image': ['lib', 'lib/async', 'lib/formats'],
  'packaging/places': [],
  'packaging/registry': ['lib', 'lib/async', 'lib/formats', 'lib/http'],
  'product/error-catalogue': ['azure/identity', 'azure/keyvault'],
  'product/driver': [
    'product/error-catalogue',
    // Names and modes of the files of a class, when a Secret takes the place of the vault.
    'azure/class',
    'daemon',
    'kubernetes/client',
    'kubernetes/csi',
    'kubernetes/grpc',
    'kubernetes/provider-protocol',
    'kubernetes/secret-data',
    'kubernetes/sockets',
    'kubernetes/volume-files',
    'lib',
    'lib/async',
    'lib/files',
    'lib/flags',
    'lib/formats',
    'lib/http',
    'lib/worker',
  ],
  'product/provider': [
    'product/error-catalogue',
    'daemon',
    'azure/class',
    'azure/identity',
    'azure/keyvault',
    'kubernetes/client',
    'kubernetes/grpc',
    'kubernetes/provider-protocol',
    'kubernetes/sockets',
    'lib',
    'lib/flags',
    'lib/formats',
    'lib/http',
    'lib/async',
    'lib/template',
    'lib/worker',
  ],
  'product/env-file': ['product/error-catalogue', 'daemon', 'lib', 'lib/files', 'lib/flags'],
  'product/node': ['product/driver', 'product/provider', 'lib', 'lib/flags', 'lib/formats'],
  'product/notify': ['daemon', 'lib', 'lib/async', 'lib/flags', 'lib/http'],
  'product/operator': [
    'azure/class',
    'azure/identity',
    'azure/keyvault',
    'azure/rest',
    'daemon',
    'kubernetes/client',
    'lib',
    'lib/async',
    'lib/flags',
    'lib/formats',
    'lib/http',
    'lib/worker',
  ],
  'product/sync': [
    'azure/class',
    'azure/identity',
    'daemon',
    'kubernetes/client',
    'kubernetes/provider-protocol',
    'kubernetes/secret-data',
    'lib',
    'lib/async',
    'lib/flags',
    'lib/formats',
    'lib/worker',
  ],
  'product/webhook': [
    'product/env-file',
    'product/error-catalogue',
    'product/notify',
    'product/proxy',
    'daemon',
    'packaging/image',
    'azure/class',
    'azure/identity',
    'kubernetes/client',
    'lib',
    'lib/async',
    'lib/flags',
    'lib/formats',
    'lib/http',
    'lib/worker',
  ],
  'product/imds': ['azure/identity', 'lib'],
  'product/proxy': [
    'product/imds',
    'daemon',
    'azure/identity',
    'kubernetes/netfilter',
    'lib',
    'lib/async',
    'lib/flags',
    'lib/http',
  ],
  'product/pod-identity': [
    'product/imds',
    'daemon',
    'azure/identity',
    'azure/rest',
    'kubernetes/client',
    'kubernetes/netfilter',
    'lib',
    'lib/async',
    'lib/flags',
    'lib/formats',
    'lib/http',
  ],
  'product/install-check': ['daemon', 'kubernetes/client', 'lib', 'lib/flags', 'lib/formats'],
  'product/uninstall-check': ['daemon', 'kubernetes/client', 'lib/flags'],
  'lab/azure': ['lib', 'lib/async', 'lib/files', 'lib/flags', 'lib/formats', 'lib/http'],
  'lab/router': [],
  'lab/cluster': [
    'azure/identity',
    'lab/router',
    'kubernetes/client',
    'kubernetes/csi',
    'kubernetes/grpc',
    'kubernetes/volume-files',
    'lib',
    'lib/async',
    'lib/files',
    'lib/flags',
    'lib/formats',
    'lib/http',
  ],
  'lab/home': [
    'lab/azure',
    'lab/router',
    'terminal',
    'packaging/charts',
    'packaging/image',
    'azure/rest',
    'kubernetes/client',
    'lib',
    'lib/async',
    'lib/files',
    'lib/formats',
    'lib/http',
  ],
  cli: [
    'product/error-catalogue',
    'product/operator',
    'product/proxy',
    'product/webhook',
    'lab/home',
    'terminal',
    'packaging/charts',
    'packaging/image',
    'packaging/registry',
    'azure/class',
    'azure/identity',
    'azure/lint',
    'azure/rest',
    'kubernetes/client',
    'lib',
    'lib/async',
    'lib/files',
    'lib/formats',
    'lib/http',
    'lib/template',
  ],
}

const root = resolve(import.meta.dirname, '../src')

interface Import {
  file: string
  /** The part that the file belongs to. */
  from: string
  /** As written: `#product/driver` or `./clock.ts`. */
  specifier: string
  /** The part that it names. */
  to: string
  /** Path below `src` of the file that it names. */
  target: string
}

function groupOf(file: string): string {
  return file.split('/')[0] ?? ''
}

function partOf(file: string): string {
  const [group = '', folder = '', ...rest] = file.split('/')
  const hasParts = Object.keys(parts).some((part) => part.startsWith(`${group}/`))
  return hasParts && rest.length > 0 ? `${group}/${folder}` : group
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8')
  const words = /(?:import|export)\s[^'";]*?from\s+['"]([.#][^'"]+)['"]|import\(\s*['"]([.#][^'"]+)['"]/g
  return [...text.matchAll(words)].map((match) => {
    const specifier = match[1] ?? match[2] ?? ''
    const target = specifier.startsWith('#')
      ? `${specifier.slice(1)}/index.ts`
      : relative(root, resolve(root, dirname(file), specifier))
    return { file, from: partOf(file), specifier, to: partOf(target), target }
  })
}

const files = globSync('**/*.ts', { cwd: root })
const imports = files.flatMap(importsOf)
const insideSource = imports.filter(({ target }) => !target.startsWith('..'))
const crossing = insideSource.filter(({ from, to }) => from !== to)

test('every folder of src is a part that the architecture names', () => {
  const unknown = new Set(files.map(partOf).filter((part) => part !== 'bin' && !Object.hasOwn(parts, part)))
  assert.deepEqual([...unknown], [])
})

test('imports between parts follow the arrows', () => {
  const broken = crossing
    .filter(({ from, to }) => from !== 'bin' && !(parts[from] ?? []).includes(to))
    .map(({ file, from, to, target }) => `${file} imports ${target}: there is no arrow from ${from} to ${to}`)
  assert.deepEqual(broken, [])
})

test('arrows between parts follow the arrows between groups', () => {
  const broken = Object.entries(parts).flatMap(([from, targets]) =>
    targets
      .filter((to) => groupOf(from) !== groupOf(to) && !(groups[groupOf(from)] ?? []).includes(groupOf(to)))
      .map((to) => `${from} → ${to}`),
  )
  assert.deepEqual(broken, [])
})

test('every arrow is used by an import of product code', () => {
  const used = new Set(
    crossing.filter(({ file }) => !file.endsWith('.test.ts')).map(({ from, to }) => `${from} → ${to}`),
  )
  const usedGroups = new Set(crossing.map(({ file, target }) => `${groupOf(file)} → ${groupOf(target)}`))
  const unused = [...Object.entries(parts).flatMap(([from, targets]) => targets.map((to) => `${from} → ${to}`))].filter(
    (arrow) => !used.has(arrow),
  )
  const unusedGroups = Object.entries(groups)
    .flatMap(([from, targets]) => targets.map((to) => `${from} → ${to}`))
    .filter((arrow) => !usedGroups.has(arrow))
  assert.deepEqual({ unused, unusedGroups }, { unused: [], unusedGroups: [] })
})

test('another part is imported by its name, which is its index.ts', () => {
  const broken = crossing
    .filter(({ specifier }) => !specifier.startsWith('#'))
    .map(({ file, to, specifier }) => `${file} imports ${specifier}; import #${to}`)
  const own = insideSource
    .filter(({ from, to, specifier }) => from === to && specifier.startsWith('#'))
    .map(({ file, specifier }) => `${file} imports its own part as ${specifier}; name the file`)
  assert.deepEqual([...broken, ...own], [])
})

test('only tests import what is outside of src', () => {
  const broken = imports
    .filter(({ file, target }) => target.startsWith('..') && !file.endsWith('.test.ts') && !/\.json$/.test(target))
    .map(({ file, target }) => `${file} imports ${target}`)
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

test('only src/bin reads argv, env and signals, and ends the process', () => {
  // Library functions that the programs of bin call for exactly this.
  const allowed = new Set(['lib/running.ts', 'daemon/run-main.ts'])
  const broken = files
    .filter((file) => !file.startsWith('bin/') && !file.endsWith('.test.ts') && !allowed.has(file))
    .filter((file) => /\bprocess\.((argv|env|exit)\b|on\()/.test(readFileSync(join(root, file), 'utf8')))
  assert.deepEqual(broken, [])
})
