import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMountTable } from './mount-table.ts'

test('parseMountTable() reads mount points and types, with optional fields and escaped bytes', () => {
  const text =
    '36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n' +
    '40 36 0:50 / /pods/a\\040b\\134c/m\\303\\274 rw - tmpfs tmpfs rw,size=64k\n'
  assert.deepEqual(parseMountTable(text), [
    { mountPoint: '/mnt2', fsType: 'ext3' },
    { mountPoint: '/pods/a b\\c/mü', fsType: 'tmpfs' },
  ])
})
