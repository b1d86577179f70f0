import assert from 'node:assert/strict'
import { statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { makeDirectories } from './make-directories.ts'

test('makeDirectories() makes what is missing, with the mode, and takes what is there', (t) => {
  const root = temporaryDirectory(t)
  makeDirectories(join(root, 'a/b/c'), 0o700)
  makeDirectories(join(root, 'a/b/c'), 0o700)
  assert.equal(statSync(join(root, 'a/b')).mode & 0o777, 0o700)
  symlinkSync(join(root, 'a'), join(root, 'link'))
  makeDirectories(join(root, 'link'))
  makeDirectories(join(root, 'link/d'))
  assert.ok(statSync(join(root, 'a/d')).isDirectory())
})

test('makeDirectories() fails where there can be no directory', (t) => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'file'), '')
  assert.throws(() => makeDirectories(join(root, 'file')), { code: 'EEXIST' })
  assert.throws(() => makeDirectories(join(root, 'file/a/b')), { code: 'ENOTDIR' })
  assert.throws(() => makeDirectories('/proc/self/a/b'), { code: 'ENOENT' })
})
