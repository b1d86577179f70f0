import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createLinuxMounter, type Mounter } from '#product/driver'
import { createFakeMounter } from '../../support/fake-mounter.ts'
import { mayMount } from '../../support/may-mount.ts'

const sizeBytes = 1024 * 1024

/** What the driver relies on, whatever the system. */
function contract(name: string, create: () => Mounter, skip: string | false): void {
  const start = async (t: TestContext) => {
    const mounter = create()
    const root = realpathSync(await mkdtemp(join(tmpdir(), 'keymount-mounter-')))
    t.after(async () => {
      for (const path of await mounter.mounted()) if (path.startsWith(root)) await mounter.unmount(path)
      rmSync(root, { recursive: true, force: true })
    })
    return { mounter, root }
  }

  test(`${name}: mount() makes the directory and is seen; unmount() ends it and leaves the empty directory`, {
    skip,
  }, async (t) => {
    const { mounter, root } = await start(t)
    const target = join(root, 'a b\\c', 'mount')
    mkdirSync(join(root, 'a b\\c'))
    assert.equal(await mounter.isMounted(target), false)
    await mounter.mount(target, { sizeBytes })
    assert.equal(await mounter.isMounted(target), true)
    assert.equal((await mounter.mounted()).has(target), true)
    writeFileSync(join(target, 'file'), 'x')
    await mounter.unmount(target)
    assert.equal(await mounter.isMounted(target), false)
    assert.deepEqual(readdirSync(target), [])
  })

  test(`${name}: unmount() of what is not mounted is success`, { skip }, async (t) => {
    const { mounter, root } = await start(t)
    await mounter.unmount(root)
    await mounter.unmount(join(root, 'absent'))
  })

  test(`${name}: resolve() follows links in the parents, makes them if need be, and refuses a link at the end`, {
    skip,
  }, async (t) => {
    const { mounter, root } = await start(t)
    mkdirSync(join(root, 'real'))
    symlinkSync(join(root, 'real'), join(root, 'link'))
    assert.equal(await mounter.resolve(join(root, 'link', 'x', 'mount')), join(root, 'real', 'x', 'mount'))
    assert.equal(existsSync(join(root, 'real', 'x', 'mount')), false)
    symlinkSync('/etc', join(root, 'real', 'x', 'mount'))
    await assert.rejects(mounter.resolve(join(root, 'link', 'x', 'mount')), /is in the way/)
    await assert.rejects(mounter.existing(join(root, 'link', 'x', 'mount')), /is in the way/)
  })

  test(`${name}: existing() makes nothing`, { skip }, async (t) => {
    const { mounter, root } = await start(t)
    assert.equal(await mounter.existing(join(root, 'a', 'b', 'mount')), undefined)
    assert.deepEqual(readdirSync(root), [])
    assert.equal(await mounter.existing(root), root)
  })
}

contract('fake mounter', createFakeMounter, false)
contract('Linux mounter', createLinuxMounter, mayMount() ? false : 'needs root or a user namespace; npm test makes one')

test('Linux mounter: the file system is bounded and takes no programs, devices or set-user-id bits', {
  skip: !mayMount(),
}, async (t) => {
  const mounter = createLinuxMounter()
  const target = realpathSync(await mkdtemp(join(tmpdir(), 'keymount-mounter-')))
  t.after(async () => {
    await mounter.unmount(target)
    rmSync(target, { recursive: true, force: true })
  })
  await mounter.mount(target, { sizeBytes })
  const { blocks, bsize } = statfsSync(target)
  assert.equal(blocks * bsize, sizeBytes)
  assert.equal(lstatSync(target).mode & 0o7777, 0o755)
  assert.throws(() => writeFileSync(join(target, 'big'), Buffer.alloc(2 * sizeBytes)), /ENOSPC/)
  rmSync(join(target, 'big'))
  writeFileSync(join(target, 'program'), '#!/bin/sh\n')
  chmodSync(join(target, 'program'), 0o755)
  assert.equal(spawnSync(join(target, 'program')).error?.message.includes('EACCES'), true)
  const options = spawnSync('findmnt', ['-no', 'OPTIONS', target], { encoding: 'utf8' }).stdout
  for (const option of ['nosuid', 'nodev', 'noexec']) assert.match(options, new RegExp(option))
})

test('Linux mounter: unmount() ends mounts that are stacked on one path', { skip: !mayMount() }, async (t) => {
  const mounter = createLinuxMounter()
  const target = realpathSync(await mkdtemp(join(tmpdir(), 'keymount-mounter-')))
  t.after(() => rmSync(target, { recursive: true, force: true }))
  for (let i = 0; i < 3; i++) await mounter.mount(target, { sizeBytes })
  await mounter.unmount(target)
  assert.equal(await mounter.isMounted(target), false)
})

/** Of the processes that wait for words of `mount` and `umount`. */
function helperPids(): number[] {
  const { stdout } = spawnSync('pgrep', ['-P', String(process.pid), '-x', 'xargs'], { encoding: 'utf8' })
  return stdout.split('\n').filter(Boolean).map(Number)
}

test('many mounts at once all succeed, a refused one has the words of mount, and a helper that was killed is replaced', {
  skip: mayMount() ? false : 'needs the right to mount',
}, async (t) => {
  const mounter = createLinuxMounter()
  const root = realpathSync(await mkdtemp(join(tmpdir(), 'keymount-mounter-')))
  const targets = Array.from({ length: 20 }, (_, index) => join(root, `volume-${index}`))
  t.after(async () => {
    for (const target of targets) await mounter.unmount(target)
    rmSync(root, { recursive: true, force: true })
  })
  const before = new Set(helperPids())
  const own = () => helperPids().filter((pid) => !before.has(pid))
  await Promise.all(targets.map((target) => mounter.mount(target, { sizeBytes })))
  assert.equal((await mounter.mountedAmong(targets)).size, 20)
  await assert.rejects(
    mounter.mount(join(root, 'refused'), { sizeBytes: Number.NaN }),
    /^Error: mount: \S+\/refused: .*/,
  )
  await mounter.mount(join(root, 'volume-0'), { sizeBytes })
  await mounter.unmount(join(root, 'volume-0'))
  assert.equal(await mounter.isMounted(join(root, 'volume-0')), false, 'both of them')

  for (let round = 0; round < 3; round++) {
    for (const pid of own()) process.kill(pid, 'SIGKILL')
    await Promise.all(
      targets.map(async (target) => {
        await mounter.unmount(target)
        await mounter.mount(target, { sizeBytes })
      }),
    )
    assert.equal((await mounter.mountedAmong(targets)).size, 20)
    const table = await mounter.mounted()
    assert.equal(targets.filter((target) => table.has(target)).length, 20)
  }
  await Promise.all(targets.map((target) => mounter.unmount(target)))
  assert.equal((await mounter.mountedAmong(targets)).size, 0, 'none was mounted twice')
  assert.equal(own().length, 2)
})
