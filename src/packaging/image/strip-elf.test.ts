import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { stripElf } from './strip-elf.ts'

test('stripElf() gives a smaller program that runs as before', (t) => {
  const directory = temporaryDirectory(t, 'keymount-strip-')
  const whole = readFileSync(process.execPath)
  const stripped = stripElf(whole)
  assert.ok(stripped.length < whole.length)
  const file = join(directory, 'node')
  writeFileSync(file, stripped, { mode: 0o755 })
  assert.equal(execFileSync(file, ['-p', '6 * 7'], { encoding: 'utf8' }), '42\n')
})

test('stripElf() gives what is stripped already back unchanged', () => {
  const once = stripElf(readFileSync(process.execPath))
  assert.ok(stripElf(once).equals(once))
})

test('stripElf() refuses a file that is not a program', () => {
  assert.throws(() => stripElf(Buffer.from('#!/bin/sh\necho no\n'.repeat(10))), /not 64-bit little-endian ELF/)
  assert.throws(() => stripElf(Buffer.alloc(0)), /not 64-bit little-endian ELF/)
})
