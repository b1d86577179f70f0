import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { versionHash } from './version-hash.ts'

test('a version hash is that of the sorted objects and the class, 16 digits of SHA-256', () => {
  const text = 'SecretProviderClassName=app;cert/tls=9;secret/db=1f'
  const expected = createHash('sha256').update(text).digest('hex').slice(0, 16)
  const objects = [
    { id: 'secret/db', version: '1f' },
    { id: 'cert/tls', version: '9' },
  ]
  assert.equal(versionHash('app', objects), expected)
  assert.equal(versionHash('app', objects.toReversed()), expected)
})

test('another class, another version or another object gives another hash', () => {
  const hashes = [
    versionHash('app', [{ id: 'a', version: '1' }]),
    versionHash('app', [{ id: 'a', version: '2' }]),
    versionHash('app', [{ id: 'b', version: '1' }]),
    versionHash('other', [{ id: 'a', version: '1' }]),
    versionHash('app', []),
  ]
  assert.equal(new Set(hashes).size, hashes.length)
})
