import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { status as Code } from '@grpc/grpc-js'
import { errorCode, sleep } from '#lib'
import { createLinuxMounter } from '#product/driver'
import { type DriverLab, startDriverLab } from '../../support/driver-lab.ts'
import { eventually } from '../../support/eventually.ts'
import { ProviderFault, startFakeProvider } from '../../support/fake-provider.ts'
import { mayMount } from '../../support/may-mount.ts'
import type { TestPod } from '../../support/pod-volume.ts'

const seconds = Number(process.env.KEYMOUNT_CHAOS_SECONDS ?? 8)
const names = ['a', 'b', 'nested', 'c', 'd']
const marker = 'PLANTED-SECRET'
const contentOf = (generation: number, name: string) =>
  `${marker} ${generation} of ${name} ${'x'.repeat(3000)} end ${generation}`

function setAll({ provider }: DriverLab, generation: number): void {
  for (const name of names)
    provider.objects.set(name, { content: contentOf(generation, name), version: String(generation), mode: 0o444 })
}

/**
 * What a container reads at one moment: every file of one directory. Undefined when the driver switched meanwhile: then the
 * directory that was being read is on its way out, as with kubelet's own volumes.
 */
function snapshot({ targetPath }: TestPod): Map<string, string> | undefined {
  const link = join(targetPath, '..data')
  try {
    const current = readlinkSync(link)
    const directory = join(targetPath, current)
    const seen = new Map(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), 'utf8')]))
    return readlinkSync(link) === current ? seen : undefined
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Fails unless the look shows one whole version; gives that version. */
function wholeVersion(seen: Map<string, string>): number {
  const generation = Number(seen.get('a')?.split(' ')[1])
  assert.deepEqual([...seen.keys()].toSorted(), names.toSorted())
  for (const [name, content] of seen) assert.equal(content, contentOf(generation, name))
  return generation
}

test(`whatever is killed, restarted, flooded or corrupted, each read of a volume is one whole version (${seconds} s)`, {
  skip: !mayMount() && 'needs root or a user namespace',
  timeout: 120_000 + seconds * 1000,
}, async (t) => {
  const flags = ['--enable-secret-rotation', '--rotation-poll-interval=1s']
  const lab = await startDriverLab({ flags })
  t.after(() => lab.stop())
  let generation = 1
  setAll(lab, generation)
  await lab.createClass('web', names)
  const pods = await Promise.all(Array.from({ length: 4 }, () => lab.pod('web')))
  await Promise.all(pods.map(lab.publish))

  let looks = 0
  const versions = new Set<number>()
  const end = Date.now() + seconds * 1000
  const reader = (async () => {
    const newest = new Map<TestPod, number>()
    while (Date.now() < end) {
      for (const pod of pods) {
        const seen = snapshot(pod)
        if (seen === undefined) continue
        looks++
        const version = wholeVersion(seen)
        assert.ok(version >= (newest.get(pod) ?? 0), 'a volume never goes back')
        newest.set(pod, version)
        versions.add(version)
      }
      await sleep(1)
    }
  })()

  const republish = () => Promise.allSettled(pods.map(lab.publish))
  const mischief: (() => Promise<unknown>)[] = [
    async () => setAll(lab, ++generation),
    async () => setAll(lab, ++generation),
    async () => {
      await lab.driver.kill()
      await lab.startDriver()
      await republish()
    },
    async () => {
      const { objects } = lab.provider
      await lab.provider.stop()
      const started = await startFakeProvider(join(lab.root, 'providers'))
      for (const [name, object] of objects) started.objects.set(name, object)
      Object.assign(lab, { provider: started })
    },
    async () => {
      lab.provider.answer = () => {
        throw new ProviderFault(Code.UNAVAILABLE, 'chaos')
      }
      await sleep(300)
      lab.provider.answer = undefined
    },
    async () => {
      lab.api.fault = (line) => (line.includes('watch=true') ? undefined : 500)
      await sleep(300)
      lab.api.fault = undefined
    },
    () => Promise.all(Array.from({ length: 20 }, republish)),
    async () => {
      for (const { targetPath } of pods) {
        mkdirSync(join(targetPath, `..garbage-${Math.random()}`))
        rmSync(join(targetPath, '..data_tmp'), { force: true })
        symlinkSync('..nowhere', join(targetPath, '..data_tmp'))
        rmSync(join(targetPath, 'b'), { force: true })
      }
    },
  ]
  // Each kind once, in an order of its own, then whatever comes.
  const queue = mischief.toSorted(() => Math.random() - 0.5)
  while (Date.now() < end) {
    await (queue.pop() ?? mischief[Math.floor(Math.random() * mischief.length)])?.()
    await sleep(400)
  }
  await reader
  t.diagnostic(`${looks} looks, ${versions.size} versions seen of ${generation}`)

  setAll(lab, ++generation)
  await republish()
  await eventually(() => {
    for (const pod of pods) {
      assert.equal(wholeVersion(snapshot(pod) ?? new Map()), generation)
      for (const name of names)
        assert.equal(readFileSync(join(pod.targetPath, name), 'utf8'), contentOf(generation, name))
    }
  }, 20_000)

  assert.deepEqual(filesOnDiskWith(marker, lab.root), [], 'no secret byte was written outside tmpfs')
  assert.equal(lab.driver.output().includes(marker), false)
  await Promise.all(pods.map(lab.unpublish))
  const left = [...(await createLinuxMounter().mounted())].filter((path) => path.startsWith(lab.kubeletRoot))
  assert.deepEqual(left, [])
  assert.deepEqual(filesOnDiskWith(marker, lab.root), [])
})

/** Files below `root` that hold the text, as the disk has them: a bind mount shows what is underneath the volumes. */
function filesOnDiskWith(text: string, root: string): string[] {
  const script = 'mount --bind "$1" /mnt || exit 99; exec grep -rlaF -- "$2" /mnt'
  const run = ['-m', '--propagation', 'private', 'sh', '-c', script, 'sh', root, text]
  const { status, stdout, stderr } = spawnSync('unshare', run, { encoding: 'utf8' })
  // 1: no file has the text. 2: a file could not be read; only one that was removed meanwhile may be that.
  const failed = stderr.split('\n').filter((line) => line !== '' && !line.endsWith('No such file or directory'))
  assert.ok(status === 0 || status === 1 || status === 2, `the scan ended with ${status}: ${stderr}`)
  assert.deepEqual(failed, [])
  return stdout.split('\n').filter((line) => line !== '')
}

test('the disk scan finds a secret that is on the disk', {
  skip: !mayMount() && 'needs root or a user namespace',
}, async (t) => {
  const lab = await startDriverLab()
  t.after(() => lab.stop())
  setAll(lab, 1)
  await lab.createClass('web', names)
  const pod = await lab.pod('web')
  await lab.publish(pod)
  assert.match(readFileSync(join(pod.targetPath, 'a'), 'utf8'), new RegExp(marker))
  assert.deepEqual(filesOnDiskWith(marker, lab.root), [])
  writeFileSync(join(lab.root, 'leak'), contentOf(1, 'a'))
  assert.deepEqual(filesOnDiskWith(marker, lab.root), ['/mnt/leak'])
})
