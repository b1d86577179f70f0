import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isWithin, lockedFlags, mountOf, parseMounts } from './mount-table.ts'

const mounts = parseMounts(
  [
    '27 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
    '45 27 254:0 /k /k rw,nosuid,nodev shared:4 master:1 - ext4 /dev/vda rw',
    '46 45 0:39 / /k/with\\040space\\303\\274 rw - tmpfs tmpfs rw,size=64k',
    '47 45 0:40 / /k rw - tmpfs tmpfs rw',
    '',
  ].join('\n'),
)

test('parseMounts() reads places, options and propagation', () => {
  assert.deepEqual(mounts[1], {
    mountPoint: '/k',
    options: ['rw', 'nosuid', 'nodev'],
    shared: true,
    fsType: 'ext4',
  })
  assert.equal(mounts[2]?.mountPoint, '/k/with spaceü')
  assert.equal(mounts[0]?.shared, false)
  assert.deepEqual(lockedFlags(mounts[1]), ['nosuid', 'nodev'])
})

test('mountOf() finds the innermost mount, and the last of several at one place', () => {
  assert.equal(mountOf(mounts, '/kk')?.mountPoint, '/')
  assert.equal(mountOf(mounts, '/k/a/b'), mounts[3])
  assert.equal(mountOf(mounts, '/k/with spaceü/x'), mounts[2])
})

test('isWithin() takes whole names', () => {
  assert.ok(isWithin('/a', '/a') && isWithin('/a', '/a/b') && isWithin('/', '/a'))
  assert.ok(!isWithin('/a', '/ab') && !isWithin('/a/b', '/a'))
})
