/** What the documentation claims about the repository, compared with the repository. */
import assert from 'node:assert/strict'
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const pages = globSync(['*.md', 'docs/**/*.md', 'examples/**/*.md', 'charts/**/*.md', 'src/**/*.md'], { cwd: root })

/** What the first cells of the table under a heading name in code. */
function namedUnder(page: string, heading: string): string[] {
  const section = read(page).split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  const cells = section.matchAll(/^\| ([^|]*) \|/gm)
  return [...cells].flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name))
}

function dependencies(...kinds: string[]): string[] {
  const { version: _, ...manifest } = JSON.parse(read('package.json')) as Record<string, Record<string, string>>
  return kinds.flatMap((kind) => Object.keys(manifest[kind] ?? {}))
}

test('the map of README.md is the folders of src', () => {
  const folders = readdirSync(join(root, 'src')).map((name) => `src/${name}`)
  assert.deepEqual(namedUnder('README.md', 'Map').toSorted(), folders.toSorted())
})

test('the parts of ARCHITECTURE.md are the folders of the groups', () => {
  const groups = ['azure', 'kubernetes', 'lab', 'packaging', 'product']
  const parts = groups.flatMap((group) => readdirSync(join(root, 'src', group)).map((part) => `${group}/${part}`))
  const folders = parts.filter((part) => existsSync(join(root, 'src', part, 'index.ts')) || part.endsWith('/node'))
  const table = read('ARCHITECTURE.md').split('\n| Part |')[1]?.split('\n\n')[0] ?? ''
  const named = [...table.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([a-z-]+\/[a-z-]+)`/g)].map(([, part = '']) => part),
  )
  assert.deepEqual(named.toSorted(), folders.toSorted())
})

test('CONTRIBUTING.md gives a reason for each dependency', () => {
  assert.deepEqual(
    namedUnder('CONTRIBUTING.md', 'Run-time dependencies, each with its reason').toSorted(),
    dependencies('dependencies', 'optionalDependencies').toSorted(),
  )
  assert.deepEqual(
    namedUnder('CONTRIBUTING.md', 'Development dependencies').toSorted(),
    dependencies('devDependencies').toSorted(),
  )
})

test('the paths that CONTRIBUTING.md and ARCHITECTURE.md name are there', () => {
  const named = ['CONTRIBUTING.md', 'ARCHITECTURE.md'].flatMap((page) =>
    [...read(page).matchAll(/`((?:src|test|charts|scripts|docs|bench)\/[\w./-]+)`/g)].map(([, path = '']) => path),
  )
  assert.deepEqual(
    named.filter((path) => !existsSync(join(root, path))),
    [],
  )
})

test('links between pages lead to a file, and to a heading of it', () => {
  const broken = pages.flatMap((page) =>
    linksOf(page)
      .filter(({ path, heading }) => {
        const target = path === '' ? page : relative(root, join(root, dirname(page), path))
        return !existsSync(join(root, target)) || (heading !== undefined && !headingsOf(target).includes(heading))
      })
      .map(({ path, heading }) => `${page}: ${path}${heading === undefined ? '' : `#${heading}`}`),
  )
  assert.deepEqual(broken, [])
})

test('docs/README.md is an index by task', () => {
  const tasks = [...read('docs/README.md').matchAll(/^## (.*)$/gm)].map(([, task]) => task)
  assert.deepEqual(tasks, ['Evaluate', 'Install', 'Use in your application', 'Operate', 'Develop', 'Migrate'])
})

test('examples/README.md has every example', () => {
  const linked = new Set(linksOf('examples/README.md').map(({ path }) => path))
  const folders = readdirSync(join(root, 'examples'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
  assert.deepEqual(
    folders.map(({ name }) => name).filter((name) => !linked.has(name)),
    [],
  )
})

test('docs/README.md links every page', () => {
  const linked = new Set(linksOf('docs/README.md').map(({ path }) => relative(root, join(root, 'docs', path))))
  const unlinked = globSync('docs/*.md', { cwd: root }).filter((page) => page !== 'docs/README.md' && !linked.has(page))
  assert.deepEqual(unlinked, [])
})

function linksOf(page: string): { path: string; heading?: string | undefined }[] {
  return [...read(page).matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].map(
    ([, path = '', heading]) => ({
      path,
      heading,
    }),
  )
}

/** The anchors that GitHub gives the headings of a page. */
function headingsOf(page: string): string[] {
  return [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  )
}
