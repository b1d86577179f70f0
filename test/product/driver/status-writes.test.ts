import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  type KubeClient,
  KubeError,
  resources,
  type SecretProviderClassPodStatus,
  statusAnnotations,
} from '#kubernetes/client'
import { rotating, startDriver, startRotatingDriver } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts'

const minute = 60_000

/** A client that the API server refuses every write of a status object, while `fault` is set. */
function statusFault() {
  const control = { fault: false, refused: 0 }
  const guard = <T>(plural: string, call: () => Promise<T>) => {
    if (!control.fault || plural !== 'secretproviderclasspodstatuses') return call()
    control.refused++
    return Promise.reject(new KubeError('POST /…: too many requests', { status: 429, reason: 'TooManyRequests' }))
  }
  const kube = (client: KubeClient): KubeClient => ({
    ...client,
    create: (resource, object, options) => guard(resource.plural, () => client.create(resource, object, options)),
    replace: (resource, object, options) => guard(resource.plural, () => client.replace(resource, object, options)),
    patch: (resource, ref, body, options) => guard(resource.plural, () => client.patch(resource, ref, body, options)),
  })
  return { control, kube }
}

const oneKey = [{ secretName: 's', data: [{ objectName: 'foo', key: 'k' }] }]

test('a status write that fails undoes no mount: the pod starts, and the object is written later by itself', async (t) => {
  const clock = createManualClock()
  const { control, kube } = statusFault()
  const driver = await startDriver(t, { clock, kube })
  control.fault = true
  const pod = await driver.mountedPod({ secretObjects: oneKey })
  assert.equal(readFileSync(join(pod.targetPath, 'foo'), 'utf8'), 'secret')
  assert.equal(await driver.mounter.isMounted(pod.targetPath), true)
  assert.deepEqual(await driver.statuses(), [])
  await driver.publish(pod.request)
  assert.equal(driver.provider.mounts.length, 1)

  await clock.advance(15_000)
  await eventually(() => assert.equal(control.refused, 2))
  control.fault = false
  await eventually(async () => {
    await clock.advance(5000)
    const [status] = await driver.statuses()
    assert.deepEqual(status?.status?.objects, [{ id: 'secret/foo', version: 'v1' }])
  })
  // The Secret of a bare pod belongs to its status object, so it had to wait.
  await eventually(async () => {
    await clock.advance(100)
    const secret = await driver.kube.get(resources.secrets, { name: 's', namespace: 'default' })
    const [status] = await driver.statuses()
    assert.equal(secret.metadata.ownerReferences?.[0]?.uid, status?.metadata.uid)
  })
})

test('a status write that fails after a rotation changes nothing of it: event, metric and Secret are those of a success', async (t) => {
  const clock = createManualClock()
  const { control, kube } = statusFault()
  const driver = await startDriver(t, { flags: rotating, clock, kube })
  const pod = await driver.mountedPod({ secretObjects: oneKey })
  control.fault = true
  driver.provider.objects.set('foo', { content: 'rotated', version: 'v2' })
  await clock.advance(2 * minute)
  await eventually(() => assert.equal(readFileSync(join(pod.targetPath, 'foo'), 'utf8'), 'rotated'))
  await eventually(async () => {
    await clock.advance(100)
    const { data } = await driver.kube.get(resources.secrets, { name: 's', namespace: 'default' })
    assert.equal(Buffer.from(data?.k ?? '', 'base64').toString(), 'rotated')
  })
  await eventually(async () => {
    const events = await driver.events()
    assert.deepEqual(
      events.map(({ reason }) => reason),
      ['MountRotationComplete'],
    )
  })
  const metrics = await driver.metrics()
  assert.match(metrics, /rotation_reconcile_total\{.*rotated="true".*\} 1/)
  assert.doesNotMatch(metrics, /rotation_reconcile_error_total/)
  assert.equal(driver.log.join('').includes('the old files stay'), false)

  control.fault = false
  const asked = driver.provider.mounts.length
  await clock.advance(20_000)
  await eventually(async () => {
    const [status] = await driver.statuses()
    assert.deepEqual(status?.status?.objects, [{ id: 'secret/foo', version: 'v2' }])
  })
  assert.equal(driver.provider.mounts.length, asked, 'without another check')
})

test('a status object that a user deleted is written again with the next change', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  await driver.mountedPod({ name: 'web' })
  const [before] = await driver.statuses()
  await driver.kube.delete(resources.secretProviderClassPodStatuses, { name: 'web-default-web', namespace: 'default' })
  driver.provider.objects.set('foo', { content: 'rotated', version: 'v2' })
  await clock.advance(2 * minute)
  await eventually(async () => {
    const [status] = await driver.statuses()
    assert.deepEqual(status?.status?.objects, [{ id: 'secret/foo', version: 'v2' }])
    assert.notEqual(status?.metadata.uid, before?.metadata.uid)
  })
})

test('the CSIDriver object names how often the object of a volume without news is written; a failure is written at once', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const ref = { name: 'secrets-store.csi.k8s.io' }
  const annotate = (text: string) => {
    const annotations = { 'keymount.dev/status-interval': text }
    return driver.kube.patch(resources.csiDrivers, ref, { metadata: { annotations } })
  }
  const create = () =>
    driver.kube.create(resources.csiDrivers, {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSIDriver',
      metadata: { ...ref, annotations: { 'keymount.dev/status-interval': '20m' } },
      spec: {},
    })
  await create().catch(() => annotate('20m'))
  await driver.restart()
  await driver.mountedPod({ name: 'web' })
  const versionOf = async () => (await driver.statuses())[0]?.metadata.resourceVersion
  /** Checks until the clock has moved so far; the object's version afterwards. */
  const pass = async (minutes: number) => {
    for (let i = 0; i < minutes; i += 2) {
      const asked = driver.provider.mounts.length
      await clock.advance(2 * minute)
      await eventually(() => assert.equal(driver.provider.mounts.length, asked + 1))
    }
    return versionOf()
  }
  const written = await versionOf()
  assert.equal(await pass(18), written)
  await pass(4)
  await eventually(async () => assert.notEqual(await versionOf(), written))

  // An interval that cannot be read is the driver’s own.
  await annotate('soon')
  await pass(10)
  const before = await versionOf()
  await pass(8)
  await eventually(async () => assert.notEqual(await versionOf(), before))
  await annotate('20m')
  await pass(12)
  driver.provider.answer = () => {
    throw new Error('the vault does not answer')
  }
  const quiet = await versionOf()
  await clock.advance(2 * minute)
  await eventually(async () => assert.notEqual(await versionOf(), quiet))
})

const hourly = ['--enable-secret-rotation', '--rotation-poll-interval=1h'] as const

/** Moves the clock to the moment, in milliseconds since the epoch, and runs what is due on the way. */
async function advanceTo(clock: ManualClock, at: number): Promise<void> {
  await clock.advance(at - clock.now())
}

function timesOf({ metadata: { annotations = {} } }: SecretProviderClassPodStatus) {
  const { lastCheck, nextCheck } = statusAnnotations
  return { last: Date.parse(annotations[lastCheck] ?? ''), next: Date.parse(annotations[nextCheck] ?? '') }
}

test('a check shortly after a mount is recorded where the next one is far away: no object names a check that is long past', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { flags: hourly, clock })
  const statusOf = async (pod: string) => {
    const found = (await driver.statuses()).find(({ status }) => status?.podName === pod)
    assert.ok(found !== undefined)
    return timesOf(found)
  }
  await driver.mountedPod({ name: 'early' })
  const tick = (await statusOf('early')).next
  // The tick of a node is at a random moment: a pod that starts just before it.
  await advanceTo(clock, Math.max(tick - minute, clock.now()))
  await driver.mountedPod({ name: 'late' })
  assert.equal((await statusOf('late')).next, tick)
  await advanceTo(clock, tick + 1000)
  await eventually(async () => {
    const { last, next } = await statusOf('late')
    assert.ok(last >= tick)
    assert.equal(next, tick + 60 * minute)
  })
})

test('the object of a failing volume names the last try and the next one, whatever the wait between tries is', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { flags: hourly, clock })
  await driver.mountedPod({ name: 'web' })
  const times = async () => {
    const [status] = await driver.statuses()
    assert.ok(status !== undefined)
    return timesOf(status)
  }
  driver.provider.answer = () => {
    throw new Error('the vault does not answer')
  }
  await advanceTo(clock, (await times()).next + 1000)
  for (const waitSeconds of [15, 30, 60, 120, 240, 300, 300]) {
    const at = clock.now()
    await eventually(async () => {
      const { last, next } = await times()
      assert.ok(last > at - 2000 && last <= at, `${at - last} ms ago`)
      assert.ok(Math.abs(next - last - waitSeconds * 1000) <= 1000, `the next is ${next - last} ms after the last`)
    })
    await advanceTo(clock, (await times()).next + 1000)
  }
})

test('the tries of a failing volume that is polled often are written once in a minute', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { flags: ['--enable-secret-rotation', '--rotation-poll-interval=10s'], clock })
  await driver.mountedPod({ name: 'web' })
  let tries = 0
  driver.provider.answer = () => {
    tries++
    throw new Error('the vault does not answer')
  }
  const writes = new Set<string | undefined>()
  for (let i = 0; i < 30; i++) {
    await clock.advance(10_000)
    await eventually(() => assert.equal(tries, i + 1))
    writes.add((await driver.statuses())[0]?.metadata.resourceVersion)
  }
  assert.ok(writes.size <= 12, `${writes.size} writes of ${tries} tries`)
})
