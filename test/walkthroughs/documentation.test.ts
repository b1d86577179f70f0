import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { parseWalkthrough } from './parse-walkthrough.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/walkthroughs.md'), 'utf8')
const files = globSync('*.md', { cwd: import.meta.dirname }).filter((name) => name !== 'README.md')

for (const file of files) {
  const { steps } = parseWalkthrough(readFileSync(join(import.meta.dirname, file), 'utf8'))

  test(`docs/walkthroughs.md names ${basename(file)}, and what is refused in it`, () => {
    assert.ok(page.includes(`(../test/walkthroughs/${file})`))
    const refused = steps.filter(({ status }) => status !== 0)
    const silent = refused.filter(({ prints }) => !prints.some((line) => page.includes(line)))
    assert.deepEqual(
      silent.map(({ line, text }) => `${file}:${line}: ${text}`),
      [],
    )
  })
}
