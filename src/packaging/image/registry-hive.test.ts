import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { emptyHive } from './registry-hive.ts'

test('emptyHive() is one page of head and one of cells that fill it exactly', () => {
  const hive = emptyHive('SYSTEM')
  assert.equal(hive.length, 8192)
  assert.equal(hive.toString('latin1', 0, 4), 'regf')
  assert.equal(hive.readUInt32LE(4), hive.readUInt32LE(8))
  let sum = 0
  for (let at = 0; at < 508; at += 4) sum = (sum ^ hive.readUInt32LE(at)) >>> 0
  assert.equal(hive.readUInt32LE(508), sum)
  const kinds: string[] = []
  let at = 4096 + 32
  while (at < hive.length) {
    const size = hive.readInt32LE(at)
    kinds.push(size > 0 ? 'free' : hive.toString('latin1', at + 4, at + 6))
    assert.equal(Math.abs(size) % 8, 0)
    at += Math.abs(size)
  }
  assert.equal(at, hive.length)
  assert.deepEqual(kinds, ['nk', 'sk', 'free'])
})

test('emptyHive() has a root key with its name, whose rights are the next cell', () => {
  const hive = emptyHive('DEFAULT')
  const key = hive.subarray(4096 + hive.readUInt32LE(36) + 4)
  assert.equal(key.toString('latin1', 76, 76 + key.readUInt16LE(72)), 'DEFAULT')
  const rights = hive.subarray(4096 + key.readUInt32LE(44) + 4)
  assert.equal(rights.toString('latin1', 0, 2), 'sk')
  assert.equal(rights.readUInt32LE(4), key.readUInt32LE(44))
})

const reader = spawnSync('hivexml', ['--version']).error === undefined

test('another reader of hives finds the root key', {
  skip: reader ? false : 'hivexml is not installed: apt-get install libhivex-bin',
}, (t) => {
  const file = join(temporaryDirectory(t), 'SYSTEM')
  writeFileSync(file, emptyHive('SYSTEM'))
  // It opens its own output by name, which the sockets of Node do not have.
  const { stdout } = spawnSync('sh', ['-c', 'hivexml "$1" | cat', 'sh', file], { encoding: 'utf8' })
  assert.match(stdout, /<node name="SYSTEM" root="1">/)
})
