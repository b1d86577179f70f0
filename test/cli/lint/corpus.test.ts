/** Manifests that users reported, reduced to their mistake: each is found, in its line, and nothing else is called an error. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, test } from 'node:test'
import { type LintFile, type LintFinding, lint, ruleEntries } from '#azure/lint'
import { restartProblems } from '#product/operator'
import { annotationProblems } from '#product/webhook'

const root = join(import.meta.dirname, '../../..')
const kubernetes = { major: 1, minor: 34 }

/** Each with a severity that docs/lint.md gives for its rule. */
const annotations = { ofPod: annotationProblems, ofWorkload: restartProblems }

function findingsIn(...files: LintFile[]): readonly LintFinding[] {
  const { findings } = lint(files, { kubernetes, annotations })
  for (const { id, severity } of findings) {
    const rule = ruleEntries.find(([each]) => each === id)?.[1]
    if (rule === undefined || severity === rule.severity) continue
    assert.equal(rule.exception?.split(' ')[0], severity, `${id}: docs/lint.md does not list the severity ${severity}`)
  }
  return findings
}

const shown = ({ file, line, id, message }: LintFinding) => `${file}:${line} ${id} ${message}`

describe('a manifest of a public issue has its mistake found in its line', () => {
  const files = globSync('*.yaml', { cwd: join(import.meta.dirname, 'bad') }).toSorted()

  test('there are at least 40 of issues', () => {
    assert.ok(files.filter((file) => !file.startsWith('own-')).length >= 40, files.join(', '))
  })

  for (const file of files) {
    const text = readFileSync(join(import.meta.dirname, 'bad', file), 'utf8')
    const [title = ''] = /(?<=^# )(?!https).*$/m.exec(text) ?? []
    test(`${basename(file, '.yaml')}: ${title}`, () => {
      const expected = [...text.matchAll(/^# found: (KL\d+) in line (\d+)$/gm)].map(
        ([, id = '', line]) => `${id} ${line}`,
      )
      assert.notEqual(expected.length, 0)
      const found = findingsIn({ name: file, text })
      const places = found.map(({ id, line }) => `${id} ${line}`)
      assert.deepEqual(
        expected.filter((one) => !places.includes(one)),
        [],
        found.map(shown).join('\n'),
      )
      const errors = found.filter(
        ({ id, line, severity }) => severity === 'error' && !expected.includes(`${id} ${line}`),
      )
      assert.deepEqual(errors.map(shown), [])
    })
  }
})

describe('correct manifests have no error', () => {
  const folders = ['examples', 'test/cli/lint/good'].map((folder) => ({
    folder,
    files: globSync(`${folder}/**/*.{yaml,yml}`, { cwd: root }).toSorted(),
  }))
  for (const { folder, files } of folders) {
    test(`${folder}, all files together`, () => {
      assert.ok(files.length > 5, `${files.length} files`)
      const found = findingsIn(...files.map((name) => ({ name, text: readFileSync(join(root, name), 'utf8') })))
      assert.deepEqual(found.filter(({ severity }) => severity === 'error').map(shown), [])
    })
  }

  test('the manifests in the pages of the documentation', () => {
    const pages = globSync(['*.md', 'docs/*.md', 'examples/**/*.md', 'test/walkthroughs/*.md'], { cwd: root })
    const blocks = pages.flatMap((page) =>
      [
        ...readFileSync(join(root, page), 'utf8').matchAll(
          /^```yaml\n([\s\S]*?)^```$|<<\s*'?EOF'?[^\n]*\n([\s\S]*?)^EOF$/gm,
        ),
      ]
        .map(([, block, input], index) => ({ name: `${page}#${index}`, text: block ?? input ?? '' }))
        .filter(({ text }) => /^apiVersion:/m.test(text) && /^kind:/m.test(text))
        // Some pages show a part of a class.
        .filter(({ text }) => !/^kind: SecretProviderClass$/m.test(text) || /^ {2}provider:/m.test(text)),
    )
    assert.ok(blocks.length >= 8, `${blocks.length} blocks`)
    for (const block of blocks)
      assert.deepEqual(
        findingsIn(block)
          .filter(({ severity }) => severity === 'error')
          .map(shown),
        [],
      )
  })
})
