import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { replaceFile } from './replace-file.ts'

test('replaceFile() gives the new file its mode, whatever the old one and a leftover had', (t) => {
  const path = join(temporaryDirectory(t), 'file')
  writeFileSync(path, 'old', { mode: 0o644 })
  writeFileSync(`${path}.next`, 'half', { mode: 0o666 })
  replaceFile(path, 'new')
  assert.deepEqual([readFileSync(path, 'utf8'), statSync(path).mode & 0o777], ['new', 0o600])
  replaceFile(path, Buffer.from('bytes'), 0o644)
  assert.deepEqual([readFileSync(path, 'utf8'), statSync(path).mode & 0o777], ['bytes', 0o644])
})

test('replaceFile() never writes through a link that is in its way', (t) => {
  const directory = temporaryDirectory(t)
  const precious = join(directory, 'precious')
  writeFileSync(precious, 'precious')
  symlinkSync(precious, join(directory, 'file.next'))
  replaceFile(join(directory, 'file'), 'new')
  assert.equal(readFileSync(precious, 'utf8'), 'precious')
})

test('replaceFile() that fails leaves nothing of its own behind', (t) => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'file', 'sub'), { recursive: true })
  assert.throws(() => replaceFile(join(directory, 'file'), 'new'))
  assert.deepEqual(readdirSync(directory), ['file'])
})
