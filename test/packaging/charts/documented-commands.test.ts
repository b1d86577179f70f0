import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { helm, needsHelm } from './helm.ts'

const root = resolve(import.meta.dirname, '../../..')

/** The `helm install` lines of the documentation, by the page that has them. */
const commands = globSync(['*.md', 'docs/**/*.md', 'charts/**/*.md'], { cwd: root }).flatMap((page) =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/^ *helm install (\S+ charts\/keymount\b[^#\n]*)/gm)].map(
    ([, words]) => ({ page, words: (words ?? '').trim().split(/\s+/) }),
  ),
)

test('the documentation shows how to install the chart', () => {
  assert.ok(commands.length > 0)
})

test('every documented helm template names the version of Kubernetes: without a cluster helm assumes one that the chart refuses', () => {
  const rendering = globSync(['*.md', 'docs/**/*.md', 'charts/**/*.md'], { cwd: root }).flatMap((page) =>
    [...readFileSync(join(root, page), 'utf8').matchAll(/helm template [^`\n]*charts\/[^`\n]*/g)].map(([line]) => ({
      page,
      line,
    })),
  )
  assert.ok(rendering.some(({ page }) => page === 'docs/install.md'))
  assert.deepEqual(
    rendering.filter(({ line }) => !line.includes('--kube-version ')),
    [],
  )
})

for (const { page, words } of commands) {
  test(`${page}: helm install ${words.join(' ')}`, needsHelm, () => {
    // The content of a user's own values file is unknown here.
    const file = words.indexOf('-f')
    const known = file < 0 ? words : words.toSpliced(file, 2)
    const { status, stderr } = spawnSync(helm ?? 'helm', ['template', ...known, '--kube-version', '1.34.0'], {
      cwd: root,
      encoding: 'utf8',
    })
    assert.equal(stderr, '')
    assert.equal(status, 0)
  })
}
