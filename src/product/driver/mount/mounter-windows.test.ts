import assert from 'node:assert/strict'
import { win32 } from 'node:path'
import { test } from 'node:test'
import { createWindowsMounter, type WindowsFiles } from './mounter-windows.ts'

/** Directories of a Windows machine, in memory. */
function fakeFiles(links: readonly string[] = []): WindowsFiles & { readonly entries: Set<string> } {
  const entries = new Set<string>()
  return {
    entries,
    list: (path) =>
      entries.has(path)
        ? [...entries]
            .filter((entry) => win32.dirname(entry) === path && entry !== path)
            .map((entry) => win32.basename(entry))
        : undefined,
    makeDirectory(path) {
      for (let at = path; win32.dirname(at) !== at; at = win32.dirname(at)) entries.add(at)
    },
    remove(path) {
      for (const entry of entries) if (entry === path || entry.startsWith(`${path}\\`)) entries.delete(entry)
    },
    isLink: (path) => links.includes(path),
  }
}

const target = 'C:\\var\\lib\\kubelet\\pods\\u\\volumes\\kubernetes.io~csi\\v\\mount'

test('Windows mounter: a directory counts as mounted once it holds something', async () => {
  const files = fakeFiles()
  const mounter = createWindowsMounter(files)
  assert.equal(await mounter.resolve('c:/var/lib/kubelet/pods/u/volumes/kubernetes.io~csi/v/mount/'), target)
  assert.equal(await mounter.existing(target), undefined)
  await mounter.mount(target, { sizeBytes: 1 })
  assert.equal(await mounter.existing(target), target)
  assert.equal(await mounter.isMounted(target), false)
  files.entries.add(`${target}\\..data`)
  assert.equal(await mounter.isMounted(target), true)
  assert.deepEqual([...(await mounter.mountedAmong([target, 'C:\\other']))], [target])
  await mounter.unmount(target)
  assert.equal(await mounter.isMounted(target), false)
  assert.equal(await mounter.existing(target), target)
})

test('Windows mounter: a link at the target is refused', async () => {
  const mounter = createWindowsMounter(fakeFiles([target]))
  await assert.rejects(mounter.resolve(target), /is in the way/)
})

for (const path of [
  '\\\\server\\share\\mount',
  '\\\\?\\C:\\mount',
  '\\\\.\\pipe\\mount',
  '\\mount',
  'C:mount',
  'C:\\',
  'C:\\a\\b:c',
]) {
  test(`Windows mounter: ${path} is refused as a target`, async () => {
    const files = fakeFiles()
    await assert.rejects(createWindowsMounter(files).resolve(path), /expected a path on a drive/)
    assert.equal(files.entries.size, 0)
  })
}
