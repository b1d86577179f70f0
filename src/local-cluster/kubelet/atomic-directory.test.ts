import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { writeAtomically } from './atomic-directory.ts'

function volume(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'keymount-atomic-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}

const file = (path: string, text: string, mode = 0o644) => ({ path, mode, data: Buffer.from(text) })

test('writeAtomically() switches all files with one link, and removes what is gone', (t) => {
  const directory = volume(t)
  assert.ok(writeAtomically(directory, [file('a', '1'), file('deep/b', '1')], undefined))
  const before = readlinkSync(join(directory, '..data'))
  assert.ok(writeAtomically(directory, [file('deep/b', '2', 0o600), file('c', '2')], undefined))
  assert.notEqual(readlinkSync(join(directory, '..data')), before)
  assert.deepEqual(
    readdirSync(directory).sort(),
    ['..data', readlinkSync(join(directory, '..data')), 'c', 'deep'].sort(),
  )
  assert.equal(readFileSync(join(directory, 'deep/b'), 'utf8'), '2')
  assert.equal(statSync(join(directory, 'deep/b')).mode & 0o777, 0o600)
})

test('writeAtomically() touches nothing when nothing changed', (t) => {
  const directory = volume(t)
  const files = [file('a', '1'), file('b/c', '')]
  writeAtomically(directory, files, undefined)
  const before = readlinkSync(join(directory, '..data'))
  assert.equal(writeAtomically(directory, files, undefined), false)
  assert.equal(readlinkSync(join(directory, '..data')), before)
})

test('writeAtomically() refuses a path that leads out of the volume', (t) => {
  const directory = volume(t)
  for (const path of ['../x', '/x', 'a/../../x', '..data'])
    assert.throws(() => writeAtomically(directory, [file(path, '')], undefined), /leads out of the volume/)
  assert.deepEqual(readdirSync(directory), [])
})
