import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { SecretValue } from '#lib'
import { parseTemplate, renderTemplate, templateFiles } from '#lib/template'
import { findProgram } from '../../support/find-program.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

interface Corpus {
  files: Record<string, string>
  sets: Record<string, string[]>
  cases: { template: string; result: string }[]
}

const file = join(import.meta.dirname, 'golden.json')
const corpus = JSON.parse(readFileSync(file, 'utf8')) as Corpus

function render(template: string): string {
  const contents = new Map(Object.entries(corpus.files).map(([name, text]) => [name, SecretValue.of(text)]))
  const files = templateFiles(contents, new Map(Object.entries(corpus.sets)))
  return renderTemplate(parseTemplate(template), files).contents.revealText()
}

for (const { template, result } of corpus.cases) {
  test(`${JSON.stringify(template)} gives what Go's text/template gives`, () => {
    assert.equal(render(template), result)
  })
}

const go = findProgram('go', 'KEYMOUNT_TEST_GO')
const skip = go === undefined ? 'needs the Go toolchain, which compares the results of golden.json' : false

test("the results of golden.json are those of Go's text/template", { skip }, (t) => {
  const directory = temporaryDirectory(t)
  const program = join(directory, 'golden')
  const env = { ...process.env, GO111MODULE: 'off', GOCACHE: join(directory, 'cache'), GOFLAGS: '' }
  execFileSync(go ?? '', ['build', '-o', program, join(import.meta.dirname, 'main.go')], { env, timeout: 300_000 })
  const results: unknown = JSON.parse(execFileSync(program, [file], { encoding: 'utf8', timeout: 60_000 }))
  assert.deepEqual(
    results,
    corpus.cases.map(({ result }) => result),
  )
})
