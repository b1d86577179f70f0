import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { createLinuxMounter } from '#product/driver'
import { startDriver } from '../../support/driver.ts'
import type { TestPod } from '../../support/pod-volume.ts'

// Another user exists for root of the machine, not for root of a user namespace that maps one user alone.
const skip =
  process.getuid?.() === 0 && readFileSync('/proc/self/uid_map', 'utf8').includes('4294967295') ? false : 'needs root'

/** What a process of this user and group reads. */
function readAs(userId: number, groupId: number, path: string): string | undefined {
  const run = spawnSync('setpriv', [`--reuid=${userId}`, `--regid=${groupId}`, '--clear-groups', 'cat', path], {
    encoding: 'utf8',
  })
  return run.status === 0 ? run.stdout : undefined
}

/** kubelet's directories are for root; the container sees the mount past them. */
function openParents({ targetPath }: TestPod, root: string): void {
  for (let path = dirname(targetPath); path.startsWith(root); path = dirname(path)) chmodSync(path, 0o755)
}

test('a non-root pod reads a 0400 file by its fsGroup, and no other pod does', { skip }, async (t) => {
  const driver = await startDriver(t, { mounter: createLinuxMounter() })
  driver.provider.objects.set('foo', { content: 'secret', version: '1', mode: 0o400 })
  const pod = await driver.pod()
  t.after(() => driver.unpublish(pod.request).catch(() => undefined))
  const accessType = { $case: 'mount' as const, value: { fsType: '', mountFlags: [], volumeMountGroup: '2000' } }
  await driver.publish({ ...pod.request, volumeCapability: { accessType, accessMode: undefined } })
  openParents(pod, driver.root)
  const path = join(pod.targetPath, 'foo')
  assert.equal(readAs(1000, 2000, path), 'secret')
  assert.equal(readAs(1000, 1000, path), undefined)
  await driver.unpublish(pod.request)
})

test('a non-root pod reads a 0400 file of which its class makes it the owner', { skip }, async (t) => {
  const driver = await startDriver(t, { mounter: createLinuxMounter() })
  driver.provider.objects.set('foo', { content: 'secret', version: '1', mode: 0o400 })
  const pod = await driver.mountedPod({ parameters: { fileOwner: '1000:3000' } })
  openParents(pod, driver.root)
  const path = join(pod.targetPath, 'foo')
  assert.equal(readAs(1000, 1000, path), 'secret')
  assert.equal(readAs(1001, 3000, path), undefined)
  assert.equal('fileOwner' in (JSON.parse(driver.provider.mounts[0]?.attributes ?? '{}') as object), false)
  await driver.unpublish(pod.request)
})

test('an owner that is not an id is refused with the parameter of the class', async (t) => {
  const driver = await startDriver(t)
  const pod = await driver.pod({ parameters: { fileOwner: 'app' } })
  await assert.rejects(
    driver.publish(pod.request),
    /parameters.fileOwner: found "app", expected "<user id>" or "<user id>:<group id>"/,
  )
})
