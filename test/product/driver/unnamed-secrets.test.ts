import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resources, type SecretProviderClass, wasFound } from '#kubernetes/client'
import { sleep } from '#lib'
import { startDriver, startRotatingDriver, type TestDriver } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts'

const minute = 60_000

const entry = (secretName: string) => ({ secretName, data: [{ objectName: 'foo', key: 'username' }] })
const exists = ({ kube }: TestDriver, name: string) =>
  wasFound(kube.get(resources.secrets, { name, namespace: 'default' }))
const editClass = ({ kube }: TestDriver, name: string, spec: SecretProviderClass['spec']) =>
  kube.patch(resources.secretProviderClasses, { name, namespace: 'default' }, { spec })
const reasons = async (driver: TestDriver) => (await driver.events()).map(({ reason }) => reason)

/** Lets the syncs of a few intervals happen; each has to reach the API server in real time. */
async function pass(clock: ManualClock, minutes: number): Promise<void> {
  for (let i = 0; i < minutes; i++) {
    await clock.advance(minute)
    await sleep(20)
  }
}

async function eventuallyDeleted(driver: TestDriver, clock: ManualClock, name: string): Promise<void> {
  await eventually(async () => {
    await pass(clock, 2)
    assert.equal(await exists(driver, name), false)
  })
}

for (const [what, secretObjects] of [
  ['renames', [entry('new')]],
  ['removes among others', [entry('other')]],
  ['removes with all others', null],
] as const) {
  test(`a Secret that its class ${what} is reported at once, and deleted ten minutes later`, async (t) => {
    const { driver, clock } = await startRotatingDriver(t)
    await driver.mountedPod({ name: 'web', secretObjects: [entry('old'), entry('other')] })
    await editClass(driver, 'web', { secretObjects } as never)
    await eventually(async () => {
      await pass(clock, 1)
      assert.ok((await reasons(driver)).includes('SecretNotNamed'))
    })
    await pass(clock, 5)
    assert.equal(await exists(driver, 'old'), true, 'it stays for the pods of a rollout')
    await eventually(async () => {
      await pass(clock, 2)
      assert.equal(await exists(driver, 'old'), false)
      assert.equal(await exists(driver, 'other'), what === 'removes among others')
    })
    const [removed] = (await driver.events()).filter(({ reason }) => reason === 'SecretRemoved')
    assert.match(removed?.message ?? '', /deleted the Secret "(old|other)"/)
    assert.match(await driver.metrics(), /sync_k8s_secret_removed_total\{.*\} [12]/)
  })
}

test('the Secrets of a class that was deleted are deleted, by a driver that was restarted meanwhile and does not rotate', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { clock })
  const pod = await driver.mountedPod({ name: 'web', secretObjects: [entry('old')] })
  await driver.kube.delete(resources.secretProviderClasses, { name: 'web', namespace: 'default' })
  await driver.restart()
  await driver.publish(pod.request)
  await eventuallyDeleted(driver, clock, 'old')
})

test('a Secret that the class names again within the ten minutes stays', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  await driver.mountedPod({ name: 'web', secretObjects: [entry('s')] })
  await editClass(driver, 'web', { secretObjects: [entry('typo')] })
  await eventually(async () => {
    await pass(clock, 1)
    assert.ok((await reasons(driver)).includes('SecretNotNamed'))
  })
  await editClass(driver, 'web', { secretObjects: [entry('s')] })
  await eventually(async () => {
    await pass(clock, 1)
    const { metadata } = await driver.kube.get(resources.secrets, { name: 's', namespace: 'default' })
    assert.equal(metadata.annotations?.['keymount.dev/unnamed-since'], undefined)
  })
  await pass(clock, 15)
  assert.equal(await exists(driver, 's'), true)
  await eventuallyDeleted(driver, clock, 'typo')
})

test('a Secret that a second class names too is taken over by it, and not deleted', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  for (const name of ['second', 'first']) await driver.mountedPod({ name, secretObjects: [entry('shared')] })
  await editClass(driver, 'first', { secretObjects: null } as never)
  await eventually(async () => {
    await pass(clock, 1)
    const { metadata } = await driver.kube.get(resources.secrets, { name: 'shared', namespace: 'default' })
    assert.equal(metadata.annotations?.['keymount.dev/class'], 'second')
    assert.equal(metadata.annotations?.['keymount.dev/unnamed-since'], undefined)
  })
  await pass(clock, 15)
  assert.equal(await exists(driver, 'shared'), true)
})

test('a Secret that is not ours is not deleted, whatever is in a status object', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { clock })
  await driver.kube.create(resources.secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'precious', namespace: 'default', annotations: { 'keymount.dev/class': 'web' } },
    data: { username: 'eA==' },
  })
  const pod = await driver.mountedPod({ name: 'web' })
  const [status] = await driver.statuses()
  const ref = { name: status?.metadata.name ?? '', namespace: 'default' }
  const metadata = { annotations: { 'keymount.dev/secrets': 'precious,absent' } }
  await driver.kube.patch(resources.secretProviderClassPodStatuses, ref, { metadata })
  await driver.restart()
  await driver.publish(pod.request)
  await pass(clock, 30)
  assert.equal(await exists(driver, 'precious'), true)
  assert.deepEqual(await reasons(driver), [])
})
