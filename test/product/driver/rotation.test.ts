import assert from 'node:assert/strict'
import { lstatSync, readFileSync, readlinkSync, watch } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { status as Code } from '@grpc/grpc-js'
import { resources } from '#kubernetes/client'
import { rotating, startDriver, startRotatingDriver, type TestDriver } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'
import { objectsAttribute, ProviderFault } from '../../support/fake-provider.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const minute = 60_000

const read = (target: string, file = 'foo') => readFileSync(join(target, file), 'utf8')
const setSecret = ({ provider }: TestDriver, content: string, version: string) =>
  provider.objects.set('foo', { content, version })

test('a changed secret reaches the volume within one interval, by the clock of the driver', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const pod = await driver.mountedPod({ name: 'web' })
  setSecret(driver, 'rotated', 'v2')
  await clock.advance(2 * minute)
  await eventually(() => assert.equal(read(pod.targetPath), 'rotated'))
  await eventually(async () => {
    const [status] = await driver.statuses()
    assert.deepEqual(status?.status?.objects, [{ id: 'secret/foo', version: 'v2' }])
    assert.equal(
      status?.metadata.annotations?.['keymount.dev/last-change'],
      new Date(clock.now()).toISOString().replace('.000', ''),
    )
  })
  await eventually(async () => {
    const events = await driver.events()
    assert.deepEqual(
      events.map(({ type, reason, involvedObject }) => [type, reason, involvedObject.uid]),
      [['Normal', 'MountRotationComplete', pod.uid]],
    )
  })
  assert.match(
    await driver.metrics(),
    /rotation_reconcile_total\{os_type="linux",provider="e2e-provider",rotated="true".*\} 1/,
  )
})

test('rotation sends the provider the versions that the volume holds, and uses the tokens that kubelet sent last', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const pod = await driver.mountedPod()
  const key = 'csi.storage.k8s.io/serviceAccount.tokens'
  await driver.publish({
    ...pod.request,
    volumeContext: { ...pod.request.volumeContext, [key]: '{"aud1":{"token":"fresh"}}' },
  })
  assert.equal(driver.provider.mounts.length, 1)
  await clock.advance(2 * minute)
  await eventually(() => assert.equal(driver.provider.mounts.length, 2))
  const [, second] = driver.provider.mounts
  assert.deepEqual(second?.currentObjectVersion, [{ id: 'secret/foo', version: 'v1' }])
  assert.match(second?.attributes ?? '', /fresh/)
})

test('volumes of one interval are checked on one tick, a class may have its own interval', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { flags: rotating, clock, tickOffset: 0.5 })
  const times = new Map<string, number[]>()
  driver.provider.answer = (request) => {
    const name = (JSON.parse(request.attributes) as Record<string, string>)['csi.storage.k8s.io/pod.name'] ?? ''
    times.set(name, [...(times.get(name) ?? []), clock.now()])
    return { objectVersion: [{ id: 'a', version: '1' }], error: undefined, files: [] }
  }
  await driver.mountedPod({ name: 'a' })
  await clock.advance(30_000)
  await driver.mountedPod({ name: 'b' })
  await driver.mountedPod({ name: 'quick', parameters: { syncInterval: '10s' } })
  for (let i = 0; i < 30; i++) {
    await clock.advance(10_000)
    await eventually(() => assert.equal(times.get('quick')?.length, i + 2))
    const ticks = Math.floor((30_000 + 10_000 * (i + 1) + minute) / (2 * minute))
    await eventually(() => assert.deepEqual([times.get('a')?.length, times.get('b')?.length], [1 + ticks, 1 + ticks]))
  }
  const [a = [], b = [], quick = []] = ['a', 'b', 'quick'].map((name) => times.get(name))
  assert.deepEqual(a.slice(1), b.slice(1))
  const gaps = (list: readonly number[]) => list.slice(1).map((at, i) => at - (list[i] ?? 0))
  assert.deepEqual(gaps(a.slice(1)), [2 * minute, 2 * minute])
  // The first tick of a volume may be nearer than its interval.
  assert.deepEqual(new Set(gaps(quick.slice(1))), new Set([10_000]))
})

test('an unchanged volume is not touched: programs that watch it get no event', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const pod = await driver.mountedPod()
  const heard: string[] = []
  const watchers = [pod.targetPath, join(pod.targetPath, '..data')].map((path) =>
    watch(path, (type, name) => heard.push(`${type} ${name}`)),
  )
  const before = readlinkSync(join(pod.targetPath, '..data'))
  await clock.advance(2 * minute)
  await eventually(() => assert.equal(driver.provider.mounts.length, 2))
  await eventually(async () =>
    assert.match(await driver.metrics(), /rotation_reconcile_total\{.*rotated="false".*\} 1/),
  )
  for (const watcher of watchers) watcher.close()
  assert.deepEqual(heard, [])
  assert.equal(readlinkSync(join(pod.targetPath, '..data')), before)
})

test('a rotation that fails leaves the old files, reports the reason, and succeeds once the cause is gone', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const pod = await driver.mountedPod()
  driver.provider.answer = () => {
    throw new ProviderFault(Code.UNAVAILABLE, 'vault "shop" cannot be reached')
  }
  await clock.advance(2 * minute)
  await eventually(async () => {
    const [status] = await driver.statuses()
    assert.match(status?.metadata.annotations?.['keymount.dev/last-failure'] ?? '', /vault "shop" cannot be reached/)
  })
  assert.equal(read(pod.targetPath), 'secret')
  const [event] = (await driver.events()).filter(({ reason }) => reason === 'MountRotationFailed')
  assert.equal(event?.type, 'Warning')
  assert.match(event?.message ?? '', /old files stay.*vault "shop" cannot be reached/)
  assert.match(await driver.metrics(), /rotation_reconcile_error_total\{.*error_type="GRPCProviderError"/)

  await driver.publish(pod.request)
  driver.provider.answer = undefined
  setSecret(driver, 'repaired', 'v3')
  await clock.advance(15_000)
  await eventually(() => assert.equal(read(pod.targetPath), 'repaired'))
  await eventually(async () => {
    const [status] = await driver.statuses()
    assert.equal(status?.metadata.annotations?.['keymount.dev/last-failure'], undefined)
  })
})

test('metrics show for each class how many volumes fail, and when they were and will be checked', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { flags: rotating, clock, tickOffset: 0 })
  const pods = [await driver.pod({ name: 'web' }), await driver.pod({ name: 'other', className: 'web' })]
  for (const pod of pods) await driver.publish(pod.request)
  const values = async () => {
    const lines = (await driver.metrics()).matchAll(/^rotation_(\w+)\{namespace="default",class="web",.*\} (\d+)$/gm)
    return Object.fromEntries([...lines].map(([, name = '', value]) => [name, Number(value)]))
  }
  const mountedAt = Math.floor(clock.now() / 1000)
  const nextTick = Math.floor((mountedAt + 120) / 120) * 120
  assert.deepEqual(await values(), {
    volumes: 2,
    failing_volumes: 0,
    quiet_volumes: 0,
    last_check_timestamp_seconds: mountedAt,
    last_change_timestamp_seconds: mountedAt,
    next_check_timestamp_seconds: nextTick,
  })
  driver.provider.answer = () => {
    throw new ProviderFault(Code.UNAVAILABLE, 'the vault is down')
  }
  await clock.advance(2 * minute)
  await eventually(async () => {
    const now = await values()
    assert.equal(now.failing_volumes, 2)
    assert.ok((now.last_check_timestamp_seconds ?? 0) > mountedAt)
    assert.equal(now.last_change_timestamp_seconds, mountedAt)
  })
  for (const pod of pods) await driver.unpublish(pod.request)
  assert.deepEqual(await values(), {})
})

test('a class that was deleted does not cost a running pod its files', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const pod = await driver.mountedPod({ name: 'web' })
  await driver.kube.delete(resources.secretProviderClasses, { name: 'web', namespace: 'default' })
  await clock.advance(2 * minute)
  await eventually(async () => assert.match(await driver.metrics(), /error_type="SecretProviderClassNotFound"/))
  await driver.publish(pod.request)
  assert.equal(read(pod.targetPath), 'secret')
})

test('without rotation a republish does nothing', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { clock })
  const pod = await driver.mountedPod()
  await clock.advance(60 * minute)
  await driver.publish(pod.request)
  assert.equal(driver.provider.mounts.length, 1)
})

test('after a restart nothing is asked before kubelet has sent tokens, and then what is overdue', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const pod = await driver.mountedPod()
  setSecret(driver, 'rotated', 'v2')
  await driver.restart()
  await clock.advance(10 * minute)
  assert.equal(driver.provider.mounts.length, 1)
  await driver.publish(pod.request)
  assert.equal(driver.provider.mounts.length, 2)
  assert.equal(read(pod.targetPath), 'rotated')
  assert.deepEqual(driver.provider.mounts[1]?.currentObjectVersion, [{ id: 'secret/foo', version: 'v1' }])
})

test('after a restart a volume that is not due yet is not asked for', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const pod = await driver.mountedPod()
  await driver.restart()
  await driver.publish(pod.request)
  assert.equal(driver.provider.mounts.length, 1)
  await clock.advance(2 * minute)
  await eventually(() => assert.equal(driver.provider.mounts.length, 2))
})

test('unpublish() during a rotation does not wait for a provider that hangs', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const pod = await driver.mountedPod()
  driver.provider.answer = () => new Promise(() => {})
  await clock.advance(2 * minute)
  await eventually(() => assert.equal(driver.provider.mounts.length, 2))
  await driver.unpublish(pod.request)
  assert.equal(lstatSync(pod.targetPath, { throwIfNoEntry: false }), undefined)
  assert.deepEqual(
    (await driver.events()).map(({ reason }) => reason),
    [],
  )
})

/** The rotation request that the status object names as done. */
async function rotatedFor(driver: TestDriver): Promise<string | undefined> {
  const [status] = await driver.statuses()
  return status?.metadata.annotations?.['keymount.dev/rotated-for']
}

test('rotate now: a new value of the annotation on the class rotates its volumes at once, and the status object shows it', async (t) => {
  const driver = await startDriver(t, { flags: rotating })
  const pod = await driver.mountedPod({ name: 'web' })
  setSecret(driver, 'rotated', 'v2')
  const ref = { name: 'web', namespace: 'default' }
  const patch = { metadata: { annotations: { 'keymount.dev/rotate': 'now-1' } } }
  await driver.kube.patch(resources.secretProviderClasses, ref, patch)
  await eventually(() => assert.equal(read(pod.targetPath), 'rotated'))
  await eventually(async () => assert.equal(await rotatedFor(driver), 'now-1'))
})

test('an edited class reaches running pods at once', async (t) => {
  const driver = await startDriver(t, { flags: rotating })
  const pod = await driver.mountedPod({ name: 'web' })
  const patch = { spec: { parameters: { objects: objectsAttribute(['foo', 'fookey']) } } }
  await driver.kube.patch(resources.secretProviderClasses, { name: 'web', namespace: 'default' }, patch)
  await eventually(() => assert.match(read(pod.targetPath, 'fookey'), /PUBLIC KEY/))
  assert.equal(driver.provider.mounts.length, 2)
})

test('a class that is edited during a check reaches running pods right after it', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const pod = await driver.mountedPod({ name: 'web' })
  const held = Promise.withResolvers<never>()
  driver.provider.answer = () => held.promise
  await clock.advance(2 * minute)
  await eventually(() => assert.equal(driver.provider.mounts.length, 2))
  driver.provider.answer = undefined
  const patch = {
    metadata: { annotations: { 'keymount.dev/rotate': 'now-1' } },
    spec: { parameters: { objects: objectsAttribute(['foo', 'fookey']) } },
  }
  await driver.kube.patch(resources.secretProviderClasses, { name: 'web', namespace: 'default' }, patch)
  await eventually(() => assert.ok(driver.log.some((line) => line.includes('the class asks for a rotation now'))))
  held.reject(new ProviderFault(Code.UNAVAILABLE, '[vault-timeout] the vault does not answer'))
  await eventually(async () => {
    const [status] = await driver.statuses()
    assert.match(status?.metadata.annotations?.['keymount.dev/last-failure'] ?? '', /vault-timeout/)
    assert.equal(status?.metadata.annotations?.['keymount.dev/rotated-for'], undefined)
  })
  // Before the first retry of a failure.
  await clock.advance(5000)
  await eventually(() => assert.match(read(pod.targetPath, 'fookey'), /PUBLIC KEY/))
  await eventually(async () => assert.equal(await rotatedFor(driver), 'now-1'))
})

test('an edited class that has become too large to be held reaches running pods too, and so does its next edit', async (t) => {
  const driver = await startDriver(t, { flags: rotating })
  const pod = await driver.mountedPod({ name: 'web' })
  const edit = (parameters: Record<string, string>) =>
    driver.kube.patch(resources.secretProviderClasses, { name: 'web', namespace: 'default' }, { spec: { parameters } })
  await edit({ note: 'x'.repeat(100_000), objects: objectsAttribute(['foo', 'fookey']) })
  await eventually(() => assert.match(read(pod.targetPath, 'fookey'), /PUBLIC KEY/))
  await edit({ objects: objectsAttribute(['foo']) })
  await eventually(() => assert.throws(() => read(pod.targetPath, 'fookey'), { code: 'ENOENT' }))
  assert.equal(driver.provider.mounts.length, 3)
})

test('nothing is watched but the classes of the volumes that are mounted', async (t) => {
  const watches: string[] = []
  const driver = await startDriver(t, {
    flags: rotating,
    kube: (client) => ({
      ...client,
      watch(resource, options) {
        watches.push(
          `${resource.plural} ${options.namespace} ${options.fieldSelector} ${options.metadataOnly ? 'metadata' : 'all'}`,
        )
        return client.watch(resource, options)
      },
    }),
  })
  await driver.pod({ name: 'not-mounted-here' })
  await driver.mountedPod({ name: 'web' })
  await driver.mountedPod({ className: 'web' })
  await eventually(() => assert.deepEqual(watches, ['secretproviderclasses default metadata.name=web metadata']))
})
