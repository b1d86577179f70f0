/** The version is written in more than one place: these have to agree, or an installation is of a version that does not exist. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'

const root = resolve(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const { version } = JSON.parse(read('package.json')) as { version: string }

test('the lock file and the chart have the version of the package', () => {
  const lock = JSON.parse(read('package-lock.json')) as {
    version: string
    packages: Record<string, { version: string }>
  }
  const chart = parse(read('charts/keymount/Chart.yaml')) as { version: string; appVersion: string }
  assert.deepEqual(
    [lock.version, lock.packages['']?.version, chart.version, chart.appVersion],
    [version, version, version, version],
  )
})

test('manifests, documentation and comments name the version of the package where they name one', () => {
  const paths = [
    '*.md',
    'docs/**/*.md',
    'charts/**/*.{md,yaml}',
    'deploy/**/*.yaml',
    'examples/**/*',
    'src/**/*.ts',
    'Dockerfile',
  ]
  const named = paths
    .flatMap((pattern) => globSync(pattern, { cwd: root, withFileTypes: true }))
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
    .flatMap((entry) => {
      const text = readFileSync(join(entry.parentPath, entry.name), 'utf8')
      // An image, an archive, a chart, the runtime of the lab's nodes.
      const found = text.matchAll(/keymount(?::|:\/\/|-|\.)(\d+\.\d+\.\d+)\b/g)
      return [...found].map(([whole, of]) => ({ where: `${entry.name}: ${whole}`, of }))
    })
  assert.ok(named.length >= 10)
  assert.deepEqual(
    named.filter(({ of }) => of !== version).map(({ where }) => where),
    [],
  )
})

test('the changelog begins with this version, and the upgrade notes with the way to it', () => {
  assert.equal(/^## (\S+)/m.exec(read('CHANGELOG.md'))?.[1], version)
  assert.ok(/^## (.*)/m.exec(read('docs/releases.md'))?.[1]?.endsWith(` to ${version}`))
})
