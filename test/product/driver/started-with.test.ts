import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resources, statusAnnotations, versionHash } from '#kubernetes/client'
import { startDriver, startRotatingDriver, type TestDriver } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'
import type { ManualClock } from '../../support/manual-clock.ts'
import type { TestPod } from '../../support/pod-volume.ts'

const minute = 60_000

/** What the one status object has: hash of its objects, and both annotations. */
async function hashes(driver: TestDriver) {
  const [found, ...others] = await driver.statuses()
  assert.deepEqual(others, [])
  const { status, metadata } = found ?? assert.fail('no status object')
  return {
    have: versionHash(status?.secretProviderClassName ?? '', status?.objects ?? []),
    startedWith: metadata.annotations?.[statusAnnotations.startedWith],
    mirroredFor: metadata.annotations?.[statusAnnotations.mirroredFor],
  }
}

function setVersion({ provider }: TestDriver, version: string): void {
  provider.objects.set('foo', { content: `value of ${version}`, version })
}

/** Restarts the driver, and waits until the volume has another version. */
async function restartAndRotate(driver: TestDriver, rotation: { pod: TestPod; clock: ManualClock; version: string }) {
  await driver.restart()
  await driver.publish(rotation.pod.request)
  setVersion(driver, rotation.version)
  const before = (await hashes(driver)).have
  await rotation.clock.advance(4 * minute)
  await eventually(async () => assert.notEqual((await hashes(driver)).have, before))
}

test('a status object names what the pod started with, through rotations and restarts of the driver', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const pod = await driver.mountedPod({ name: 'web' })
  const first = await hashes(driver)
  assert.deepEqual(first, { have: first.have, startedWith: first.have, mirroredFor: undefined })

  setVersion(driver, 'v2')
  await clock.advance(2 * minute)
  await eventually(async () => assert.notEqual((await hashes(driver)).have, first.have))
  assert.equal((await hashes(driver)).startedWith, first.have)

  await restartAndRotate(driver, { pod, clock, version: 'v3' })
  assert.equal((await hashes(driver)).startedWith, first.have)
})

test('a status object that another pod of the name left gets the start of this one', async (t) => {
  const driver = await startDriver(t)
  const pod = await driver.pod({ name: 'db-0' })
  await driver.kube.create(resources.secretProviderClassPodStatuses, {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClassPodStatus',
    metadata: {
      name: 'db-0-default-db-0',
      namespace: 'default',
      annotations: { [statusAnnotations.startedWith]: 'old', [statusAnnotations.mirroredFor]: 'old', theirs: 'stays' },
    },
    status: { podName: 'db-0', secretProviderClassName: 'db-0', mounted: true },
  })
  await driver.publish(pod.request)
  const { have, startedWith, mirroredFor } = await hashes(driver)
  assert.deepEqual([startedWith, mirroredFor], [have, undefined])
  const [status] = await driver.statuses()
  assert.equal(status?.metadata.annotations?.theirs, 'stays')
})

test('what an earlier driver mounted gets no start: it is not known', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const pod = await driver.mountedPod({ name: 'web' })
  const [status] = await driver.statuses()
  const { name = '', namespace = '' } = status?.metadata ?? {}
  await driver.kube.patch(
    resources.secretProviderClassPodStatuses,
    { name, namespace },
    { metadata: { annotations: { [statusAnnotations.startedWith]: null } } },
  )
  await restartAndRotate(driver, { pod, clock, version: 'v2' })
  assert.equal((await hashes(driver)).startedWith, undefined)
})

test('a status object names what the Secrets of its class carry, after they were written', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const secretObjects = [{ secretName: 's', data: [{ objectName: 'foo', key: 'k' }] }]
  await driver.mountedPod({ name: 'web', secretObjects })
  await eventually(async () => {
    const { have, startedWith, mirroredFor } = await hashes(driver)
    assert.deepEqual([startedWith, mirroredFor], [have, have])
  })

  setVersion(driver, 'v2')
  await clock.advance(2 * minute)
  await eventually(async () => {
    await clock.advance(100)
    const { have, startedWith, mirroredFor } = await hashes(driver)
    assert.notEqual(startedWith, have)
    assert.equal(mirroredFor, have)
    const secret = await driver.kube.get(resources.secrets, { name: 's', namespace: 'default' })
    assert.equal(Buffer.from(secret.data?.k ?? '', 'base64').toString(), 'value of v2')
  })
})
