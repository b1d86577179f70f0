import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { copyStripped } from './strip-elf.ts'

function inDirectory(t: TestContext): (name: string) => string {
  const directory = temporaryDirectory(t, 'keymount-strip-')
  return (name) => join(directory, name)
}

test('copyStripped() gives a smaller program that runs as before', (t) => {
  const file = inDirectory(t)('node')
  copyStripped(process.execPath, file)
  assert.ok(statSync(file).size < statSync(process.execPath).size)
  assert.equal(execFileSync(file, ['-p', '6 * 7'], { encoding: 'utf8' }), '42\n')
})

test('copyStripped() copies what is stripped already unchanged', (t) => {
  const path = inDirectory(t)
  copyStripped(process.execPath, path('once'))
  copyStripped(path('once'), path('twice'))
  assert.ok(readFileSync(path('twice')).equals(readFileSync(path('once'))))
})

test('copyStripped() refuses a file that is not a program, and one that is cut off', (t) => {
  const path = inDirectory(t)
  for (const content of ['#!/bin/sh\necho no\n'.repeat(10), '']) {
    writeFileSync(path('script'), content)
    assert.throws(() => copyStripped(path('script'), path('copy')), /not 64-bit little-endian ELF/)
  }
  writeFileSync(path('cut'), readFileSync(process.execPath).subarray(0, 1_000_000))
  assert.throws(() => copyStripped(path('cut'), path('copy')), /ends at 1000000 bytes instead of \d+/)
})
