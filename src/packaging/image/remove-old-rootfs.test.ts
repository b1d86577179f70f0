import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { removeOldRootfs } from './remove-old-rootfs.ts'

test('removeOldRootfs() keeps the newest, and an older one as long as a program runs that was started with it', async (t) => {
  const directory = temporaryDirectory(t, 'keymount-rootfs-')
  for (const [age, name] of ['rootfs-a', 'rootfs-b', 'rootfs-c', 'rootfs-d', 'rootfs-e', 'rootfs-f'].entries()) {
    mkdirSync(join(directory, name))
    utimesSync(join(directory, name), 1000 - age, 1000 - age)
  }
  mkdirSync(join(directory, 'node-1-2'))
  const program = "process.stdout.write('x'); process.stdin.resume()"
  const cluster = spawn(process.execPath, ['-e', program, '--', `--image=x=${join(directory, 'rootfs-e')}`])
  t.after(() => cluster.kill())
  await once(cluster.stdout, 'data')

  removeOldRootfs(directory)
  assert.deepEqual(readdirSync(directory).toSorted(), ['node-1-2', 'rootfs-a', 'rootfs-b', 'rootfs-c', 'rootfs-e'])

  cluster.kill()
  await once(cluster, 'exit')
  removeOldRootfs(directory)
  assert.deepEqual(readdirSync(directory).toSorted(), ['node-1-2', 'rootfs-a', 'rootfs-b', 'rootfs-c'])
})
