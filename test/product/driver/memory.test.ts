import assert from 'node:assert/strict'
import { existsSync, readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { status as Code } from '@grpc/grpc-js'
import { resources } from '#kubernetes/client'
import { readMounts } from '#lib/files'
import { createLinuxMounter } from '#product/driver'
import { type DriverOverrides, startDriver, type TestDriver } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { mayMount } from '../../support/may-mount.ts'
import { readMetrics } from '../../support/metrics.ts'
import type { TestPod } from '../../support/pod-volume.ts'

const mebibyte = 1024 * 1024
const skip = !mayMount() && 'needs root or a user namespace'

const setContent = ({ provider }: TestDriver, name: string, bytes: number, letter = 'x') =>
  provider.objects.set(name, { content: letter.repeat(bytes), version: `${letter}${bytes}`, mode: 0o444 })

/** kubelet's record of who mounted the volume. */
const writeVolumeData = ({ targetPath }: TestPod) =>
  writeFileSync(join(dirname(targetPath), 'vol_data.json'), JSON.stringify({ driverName: 'secrets-store.csi.k8s.io' }))

const budget = (mib: number) => `--volume-memory-budget=${mib * mebibyte}`

test('a volume beyond the budget of the node is refused with pod, size and budget, and kubelet retries it', async (t) => {
  const driver = await startDriver(t, { flags: [budget(5)] })
  setContent(driver, 'large', 3 * mebibyte)
  const first = await driver.mountedPod({ objects: ['large'] })
  const second = await driver.pod({ name: 'second', objects: ['large'] })
  await assert.rejects(driver.publish(second.request), {
    code: Code.RESOURCE_EXHAUSTED,
    details:
      /volume of pod default\/second takes 3\.\d MiB, and the other volumes of this node take 3\.\d MiB of the budget of 5\.0 MiB/,
  })
  assert.equal(existsSync(second.targetPath), false)
  await driver.mountedPod()

  const metrics = await readMetrics(driver.running.metricsPort)
  assert.ok((metrics.value('volume_memory_bytes') ?? 0) > 3 * mebibyte)
  assert.equal(metrics.value('volume_memory_budget_bytes'), 5 * mebibyte)

  await driver.unpublish(first.request)
  await driver.publish(second.request)
})

test('publishes at the same time share the budget', async (t) => {
  const driver = await startDriver(t, { flags: [budget(13)] })
  setContent(driver, 'large', 3 * mebibyte)
  const pods = await Promise.all(Array.from({ length: 8 }, () => driver.pod({ objects: ['large'] })))
  const results = await Promise.allSettled(pods.map(({ request }) => driver.publish(request)))
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 3)
})

test('pods of one namespace leave a quarter of the budget to those of others', async (t) => {
  const driver = await startDriver(t, { flags: [budget(8)] })
  await driver.kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } })
  setContent(driver, 'large', 1.9 * mebibyte)
  const pods = await Promise.all(Array.from({ length: 4 }, () => driver.pod({ objects: ['large'] })))
  const results = await Promise.allSettled(pods.map(({ request }) => driver.publish(request)))
  const refused = results.filter((result) => result.status === 'rejected')
  assert.equal(refused.length, 1)
  assert.equal(refused[0]?.reason.code, Code.RESOURCE_EXHAUSTED)
  assert.match(refused[0]?.reason.details, /the last quarter of which is for namespaces that have less than a quarter/)
  await driver.mountedPod({ namespace: 'other', objects: ['large'] })
})

test('a restarted driver counts what is mounted, also without a status object', async (t) => {
  const driver = await startDriver(t, { flags: [budget(6)] })
  setContent(driver, 'large', 2 * mebibyte)
  const pods = [await driver.pod({ objects: ['large'] }), await driver.pod({ objects: ['large'] })]
  for (const pod of pods) {
    await driver.publish(pod.request)
    writeVolumeData(pod)
  }
  const [status] = await driver.statuses()
  const ref = { name: status?.metadata.name ?? '', namespace: 'default' }
  await driver.kube.delete(resources.secretProviderClassPodStatuses, ref)
  await driver.restart()
  const third = await driver.pod({ objects: ['large'] })
  await assert.rejects(driver.publish(third.request), {
    code: Code.RESOURCE_EXHAUSTED,
    details: /the other volumes of this node take 4\.\d MiB/,
  })
  for (const pod of pods) await driver.unpublish(pod.request)
  await driver.publish(third.request)
})

test('a rotation that would exceed the budget leaves the old files and reports the reason; one that does not grow is never refused', async (t) => {
  const clock = createManualClock()
  const flags = ['--enable-secret-rotation', '--rotation-poll-interval=2m']
  const driver = await startDriver(t, { flags: [...flags, budget(6)], clock })
  setContent(driver, 'large', 3 * mebibyte, 'a')
  const pod = await driver.mountedPod({ objects: ['large'] })
  const letter = () => readFileSync(join(pod.targetPath, 'large'), 'utf8').slice(0, 1)

  setContent(driver, 'large', 4 * mebibyte - 20_000, 'b')
  await clock.advance(120_000)
  await eventually(() => assert.equal(letter(), 'b'))
  // The answer itself stays below the message limit; with its other file the volume exceeds the budget.
  driver.provider.answer = () => ({
    objectVersion: [{ id: 'a', version: 'c' }],
    error: undefined,
    files: Array.from({ length: 1200 }, (_, i) => ({ path: `c${i}`, mode: 0o444, contents: Buffer.from('c') })),
  })
  await clock.advance(120_000)
  await eventually(async () => {
    const [event] = (await driver.events()).filter(({ reason }) => reason === 'MountRotationFailed')
    assert.match(event?.message ?? '', /old files stay: .*the volume of pod .* budget of 6\.0 MiB/)
  })
  assert.equal(letter(), 'b')
  driver.provider.answer = undefined

  await driver.restart({ flags: [...flags, budget(1)] })
  setContent(driver, 'large', 4 * mebibyte - 20_000, 'd')
  await driver.publish(pod.request)
  await clock.advance(120_000)
  await eventually(() => assert.equal(letter(), 'd'))
})

test('large answers of a namespace are read one at a time, and those of another namespace do not wait for them', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { flags: ['--enable-secret-rotation', '--rotation-poll-interval=2m'], clock })
  await driver.kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } })
  const large = Buffer.alloc(200_000, 'x')
  const calls = new Map<string, number>()
  const gates: (() => void)[] = []
  let reading = 0
  let most = 0
  driver.provider.answer = async (request) => {
    const attributes = JSON.parse(request.attributes) as Record<string, string>
    const pod = attributes['csi.storage.k8s.io/pod.name'] ?? ''
    calls.set(pod, (calls.get(pod) ?? 0) + 1)
    // The first call of a pod is refused for its size; the second one reads it.
    if (calls.get(pod) === 2 && attributes['csi.storage.k8s.io/pod.namespace'] === 'default') {
      most = Math.max(most, ++reading)
      await new Promise<void>((resolve) => gates.push(resolve))
      reading--
    }
    const files = [{ path: 'foo', mode: 0o444, contents: large }]
    return { objectVersion: [{ id: 'a', version: '1' }], error: undefined, files }
  }
  const pods = await Promise.all(Array.from({ length: 3 }, () => driver.pod()))
  const publishing = pods.map(({ request }) => driver.publish(request))
  await eventually(() => assert.equal(gates.length, 1))
  await driver.mountedPod({ name: 'quiet', namespace: 'other' })
  for (let i = 1; i <= 3; i++) {
    gates.at(-1)?.()
    if (i < 3) await eventually(() => assert.equal(gates.length, i + 1))
  }
  await Promise.all(publishing)
  assert.equal(most, 1)
  assert.deepEqual([...calls.values()], [2, 2, 2, 2])
  await clock.advance(120_000)
  // A check knows that the answer is large.
  await eventually(() => assert.deepEqual([...calls.values()], [3, 3, 3, 3]))
})

async function startMounting(t: TestContext, overrides: DriverOverrides) {
  const driver = await startDriver(t, { mounter: createLinuxMounter(), ...overrides })
  t.after(async () => {
    for (const path of await driver.mounter.mounted()) {
      if (path.startsWith(driver.root)) await driver.mounter.unmount(path)
    }
  })
  return driver
}

const sizeOf = ({ targetPath }: TestPod) => {
  const { blocks, bsize } = statfsSync(targetPath)
  return blocks * bsize
}

test('the tmpfs of a volume is sized from its content', { skip }, async (t) => {
  const driver = await startMounting(t, {})
  const small = await driver.mountedPod()
  assert.equal(sizeOf(small), mebibyte)
  setContent(driver, 'large', 3 * mebibyte)
  const large = await driver.mountedPod({ objects: ['large'] })
  assert.ok(sizeOf(large) >= 6 * mebibyte && sizeOf(large) < 7 * mebibyte, `${sizeOf(large)}`)
  assert.equal(readFileSync(join(large.targetPath, 'large')).length, 3 * mebibyte)
})

test('a rotation into a full volume makes room; beyond the limit of a volume it leaves the old files and reports the reason', {
  skip,
}, async (t) => {
  const clock = createManualClock()
  const flags = ['--enable-secret-rotation', '--rotation-poll-interval=2m', `--volume-size-limit=${3 * mebibyte}`]
  const driver = await startMounting(t, { clock, flags })
  setContent(driver, 'large', 2 * mebibyte, 'a')
  const pod = await driver.mountedPod({ objects: ['large'] })
  const head = () => readFileSync(join(pod.targetPath, 'large'), 'utf8').slice(0, 1)
  // Another program took all that was free.
  const { bavail, bsize } = statfsSync(pod.targetPath)
  writeFileSync(join(pod.targetPath, '..filler'), Buffer.alloc(bavail * bsize))
  assert.equal(statfsSync(pod.targetPath).bavail, 0)

  setContent(driver, 'large', 2 * mebibyte, 'b')
  await clock.advance(120_000)
  await eventually(() => assert.equal(head(), 'b'))

  setContent(driver, 'large', 3 * mebibyte + 1, 'c')
  await clock.advance(120_000)
  await eventually(async () => {
    const [event] = (await driver.events()).filter(({ reason }) => reason === 'MountRotationFailed')
    assert.match(
      event?.message ?? '',
      /old files stay: .*memory of the files of one volume: found .*--volume-size-limit/,
    )
  })
  assert.equal(head(), 'b')
})

test('volumes stay out of swap where the system can promise it, and are mounted where it cannot', {
  skip,
}, async (t) => {
  const driver = await startMounting(t, {})
  for (let i = 0; i < 2; i++) {
    const pod = await driver.mountedPod()
    const mount = readMounts().find(({ mountPoint }) => mountPoint === pod.targetPath)
    assert.ok(mount !== undefined)
    const isRoot = readFileSync('/proc/self/uid_map', 'utf8').includes('4294967295')
    const kernel = readFileSync('/proc/sys/kernel/osrelease', 'utf8').split('.').map(Number)
    const isNew = (kernel[0] ?? 0) > 6 || (kernel[0] === 6 && (kernel[1] ?? 0) >= 4)
    const options = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .find((line) => line.includes(` ${pod.targetPath} `))
    assert.equal(options?.includes('noswap'), isRoot && isNew, options)
  }
})
