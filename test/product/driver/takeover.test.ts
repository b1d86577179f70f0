import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { resources } from '#kubernetes/client'
import { startDriver } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'
import type { TestPod } from '../../support/pod-volume.ts'

const directory = '..2026_04_30_10_11_12.123456789'

/** A volume as the upstream driver leaves it: mounted, its files, its status object without anything of ours. */
async function upstreamVolume(
  driver: Awaited<ReturnType<typeof startDriver>>,
  pod: TestPod,
  className: string,
): Promise<void> {
  const { targetPath } = pod
  await driver.mounter.mount(targetPath, { sizeBytes: 0 })
  mkdirSync(join(targetPath, directory))
  writeFileSync(join(targetPath, directory, 'foo'), 'of upstream', { mode: 0o644 })
  symlinkSync(directory, join(targetPath, '..data'))
  symlinkSync('..data/foo', join(targetPath, 'foo'))
  await driver.kube.create(resources.secretProviderClassPodStatuses, {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClassPodStatus',
    metadata: {
      name: `${pod.name}-default-${className}`,
      namespace: 'default',
      labels: { 'internal.secrets-store.csi.k8s.io/node-name': 'node-1' },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: pod.name, uid: pod.uid }],
    },
    status: {
      podName: pod.name,
      secretProviderClassName: className,
      mounted: true,
      targetPath,
      objects: [{ id: 'secret/foo', version: 'v0' }],
    },
  })
}

test('volumes of the upstream driver go on: nothing is mounted again, the first republish brings what is new', async (t) => {
  const driver = await startDriver(t, { flags: ['--enable-secret-rotation'] })
  const pod = await driver.pod({ name: 'web' })
  await upstreamVolume(driver, pod, 'web')
  await driver.restart()
  assert.equal(readFileSync(join(pod.targetPath, 'foo'), 'utf8'), 'of upstream')
  await driver.publish(pod.request)
  assert.deepEqual(driver.provider.mounts[0]?.currentObjectVersion, [{ id: 'secret/foo', version: 'v0' }])
  assert.equal(readFileSync(join(pod.targetPath, 'foo'), 'utf8'), 'secret')
  assert.equal((await driver.statuses()).length, 1)
})

test('without rotation, volumes of the upstream driver are left as they are, and unpublished in full', async (t) => {
  const driver = await startDriver(t)
  const pod = await driver.pod({ name: 'web' })
  await upstreamVolume(driver, pod, 'web')
  await driver.restart()
  await driver.publish(pod.request)
  assert.equal(readlinkSync(join(pod.targetPath, '..data')), directory)
  assert.equal(driver.provider.mounts.length, 0)
  await driver.unpublish(pod.request)
  assert.equal(await driver.mounter.isMounted(pod.targetPath), false)
})

test('a Secret of the upstream driver is kept up to date from then on, and keeps its owner', async (t) => {
  const driver = await startDriver(t, { flags: ['--enable-secret-rotation'] })
  const data = [{ objectName: 'foo', key: 'username' }]
  const pod = await driver.pod({ name: 'web', secretObjects: [{ secretName: 's', type: 'Opaque', data }] })
  await upstreamVolume(driver, pod, 'web')
  const [status] = await driver.statuses()
  const { name = '', uid = '' } = status?.metadata ?? {}
  // The status object owns the Secrets of a bare pod.
  const owner = { apiVersion: 'secrets-store.csi.x-k8s.io/v1', kind: 'SecretProviderClassPodStatus', name, uid }
  await driver.kube.create(
    resources.secrets,
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: 's',
        namespace: 'default',
        labels: { 'secrets-store.csi.k8s.io/managed': 'true' },
        ownerReferences: [owner],
      },
      type: 'Opaque',
      data: { username: Buffer.from('of upstream').toString('base64') },
    },
    { fieldManager: 'secrets-store-csi' },
  )
  await driver.restart()
  await driver.publish(pod.request)
  await eventually(async () => {
    const secret = await driver.kube.get(resources.secrets, { name: 's', namespace: 'default' })
    assert.equal(secret.data?.username, Buffer.from('secret').toString('base64'))
    assert.deepEqual(secret.metadata.ownerReferences, [owner])
  })
})

test('a mounted volume without a status object gets one; what fails then keeps the files, with a code that kubelet retries', async (t) => {
  const driver = await startDriver(t)
  const pod = await driver.pod({ name: 'web', className: 'late' })
  await upstreamVolume(driver, pod, 'late')
  await driver.kube.delete(resources.secretProviderClassPodStatuses, { name: 'web-default-late', namespace: 'default' })
  await assert.rejects(
    driver.publish(pod.request),
    /UNAVAILABLE: \[class-not-found\] failed to get secretproviderclass default\/late/,
  )
  assert.equal(readFileSync(join(pod.targetPath, 'foo'), 'utf8'), 'of upstream')
  assert.equal(await driver.mounter.isMounted(pod.targetPath), true)
  await driver.createClass('late', {
    provider: driver.provider.name,
    parameters: { objects: 'array: ["objectName: foo"]' },
  })
  await driver.publish(pod.request)
  assert.equal((await driver.statuses())[0]?.metadata.name, 'web-default-late')
})

test('after a restart, a volume that kubelet asked another driver for is left to that one', async (t) => {
  const driver = await startDriver(t, { flags: ['--enable-secret-rotation'] })
  for (const [name, driverName] of [
    ['ours', 'secrets-store.csi.k8s.io'],
    ['theirs', 'second.csi.example.com'],
  ] as const) {
    const pod = await driver.pod({ name })
    await upstreamVolume(driver, pod, name)
    writeFileSync(join(dirname(pod.targetPath), 'vol_data.json'), JSON.stringify({ driverName }))
  }
  const before = driver.log.length
  await driver.restart()
  await eventually(() => {
    const found = driver.log
      .slice(before)
      .map((line) => JSON.parse(line))
      .find(({ msg }) => /before the restart/.test(msg))
    assert.equal(found?.volumes, 1)
  })
})
