/**
 * Every exported parser of product code takes time in proportion to its input, little memory, and ends with a result or an
 * error that explains the input. Parsers are found in the sources: a new one is in this test from its first day.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import type { Counted } from './hostile/count-steps.ts'
import { findParsers, left, listed } from './hostile/parsers.ts'

const program = join(import.meta.dirname, 'hostile/count-steps.ts')
const parsers = findParsers()

test('the parsers that are called in their own way, or left out, exist', () => {
  const names = new Set(parsers.map(({ name }) => name))
  assert.ok(parsers.length > 30, `only ${parsers.length} parsers were found`)
  assert.deepEqual(
    [...listed, ...Object.keys(left)].filter((name) => !names.has(name)),
    [],
  )
})

test('a parser that is not linear is found', async () => {
  const results = await countSteps('test/hostile/quadratic.ts', 'parseSlowly')
  const numbers = results.find(({ shape }) => shape === 'list of numbers')
  assert.ok(numbers !== undefined)
  assert.throws(() => assertLinear(numbers), /list of numbers: \d+ steps for 16 KiB, \d+ for 32 KiB/)
})

for (const { id, file, name } of parsers.filter((parser) => !(parser.name in left))) {
  test(`${id} is linear in hostile input`, async () => {
    const results = await countSteps(file, name)
    assert.ok(results.length > 20)
    for (const counted of results) assertLinear(counted)
  })
}

async function countSteps(file: string, name: string): Promise<Counted[]> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--max-old-space-size=192', program, file, name], {
    maxBuffer: 16 * 1024 * 1024,
  })
  return JSON.parse(stdout) as Counted[]
}

function assertLinear({ shape, steps: [small, twice, mebibyte], fault }: Counted): void {
  assert.equal(fault, undefined, shape)
  assert.ok(twice <= 2.5 * small + 5000, `${shape}: ${small} steps for 16 KiB, ${twice} for 32 KiB`)
  assert.ok(mebibyte <= 2.5 * 64 * small + 50_000, `${shape}: ${small} steps for 16 KiB, ${mebibyte} for 1 MiB`)
}
