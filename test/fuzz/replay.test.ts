import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { readCorpus } from './corpus.ts'

const targets = globSync('*.ts', { cwd: join(import.meta.dirname, 'targets') }).map((file) => basename(file, '.ts'))

for (const name of targets) {
  test(`${name} takes every input that the fuzzer found`, async () => {
    const { fuzz } = (await import(`./targets/${name}.ts`)) as { fuzz(data: Buffer): void | Promise<void> }
    const inputs = readCorpus(join(import.meta.dirname, 'corpus', `${name}.txt`))
    assert.ok(inputs.length > 0, 'the corpus is empty')
    for (const input of inputs) {
      try {
        await fuzz(input)
      } catch (error) {
        assert.fail(`${input.toString('base64')}: ${error instanceof Error ? error.stack : error}`)
      }
    }
  })
}
