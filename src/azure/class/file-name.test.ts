import assert from 'node:assert/strict'
import { join, normalize } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { collidingPaths, fileNameProblem } from './file-name.ts'

const corpus = [
  '..',
  '../x',
  'x/..',
  'x/../y',
  '....//x',
  'a/../../b',
  '..\\x',
  'x\\..\\y',
  '/etc/passwd',
  '//x',
  './x',
  'x/.',
  'x/./y',
  'x//y',
  'x/',
  '',
  '.',
  '/',
  'a..b',
  'x...',
  '\u0000',
  'x\u0000.txt',
  'x\ny',
  'x\u007fy',
  '.. /x',
  '..\u200b/x',
  `${'a'.repeat(256)}`,
  `${'a/'.repeat(2500)}b`,
  '%2e%2e/..',
  '..%2f..',
  '~/../x',
  '..data',
  '..2024_01_01',
]

test('no path that leaves the volume, or that a driver would refuse, is let through', () => {
  for (const name of corpus) assert.notEqual(fileNameProblem(name), undefined, JSON.stringify(name))
})

test('the words are those of upstream', () => {
  assert.equal(fileNameProblem(''), 'file name must not be empty')
  assert.equal(fileNameProblem('/secret1'), 'file name must be a relative path')
  for (const name of ['secret1/..', '../secret1', 'a..b'])
    assert.equal(fileNameProblem(name), "file name must not contain '..'")
  for (const name of ['secret1', 'dir/sub/name', 'tls.pem', 'back\\slash', '-rf', 'ünï cödé', '~', 'CON', '.hidden']) {
    assert.equal(fileNameProblem(name), undefined, name)
  }
})

test('whatever is let through stays below the volume and is already clean', () => {
  const part = fc.oneof(fc.constantFrom('.', '..', '', 'a', '\\', '\u0000', '..a', '/'), fc.string({ maxLength: 6 }))
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      const name = parts.join('/')
      if (fileNameProblem(name) !== undefined) return
      assert.equal(normalize(name), name)
      assert.ok(join('/volume', name).startsWith('/volume/'))
    }),
    { numRuns: 2000 },
  )
})

test('collidingPaths() finds two that cannot both be files', () => {
  assert.deepEqual(collidingPaths(['a', 'b', 'a']), { path: 'a', other: 'a' })
  assert.deepEqual(collidingPaths(['a/b/c', 'a/b']), { path: 'a/b/c', other: 'a/b' })
  assert.equal(collidingPaths(['a/b', 'a/c', 'ab', 'a-b']), undefined)
})
