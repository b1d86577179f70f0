import assert from 'node:assert/strict'
import { lstatSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { status as Code, credentials } from '@grpc/grpc-js'
import { ControllerClient, RegistrationClient } from '#kubernetes/csi'
import { startDriver, type TestDriver, unary } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const socketOf = (driver: TestDriver) => join(driver.root, 'registration', 'secrets-store.csi.k8s.io-reg.sock')

function kubelet(t: { after(run: () => void): void }, driver: TestDriver): RegistrationClient {
  const client = new RegistrationClient(`unix:${socketOf(driver)}`, credentials.createInsecure(), {
    'grpc.default_authority': 'localhost',
  })
  t.after(() => client.close())
  return client
}

test('the driver registers with kubelet by itself', async (t) => {
  const driver = await startDriver(t, { flags: ['--kubelet-registration-path=/var/lib/kubelet/plugins/x/csi.sock'] })
  await eventually(() => assert.ok(lstatSync(socketOf(driver)).isSocket()))
  assert.equal(lstatSync(socketOf(driver)).mode & 0o077, 0)
  const client = kubelet(t, driver)
  assert.deepEqual(await unary(client, client.getInfo, {}), {
    type: 'CSIPlugin',
    name: 'secrets-store.csi.k8s.io',
    endpoint: '/var/lib/kubelet/plugins/x/csi.sock',
    supportedVersions: ['1.0.0'],
  })
  await unary(client, client.notifyRegistrationStatus, { pluginRegistered: true, error: '' })
  assert.equal((await driver.get('/healthz', driver.running.healthPort)).status, 200)
})

test('the driver registers again when its socket vanishes, and when kubelet refused it', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { clock })
  await eventually(() => lstatSync(socketOf(driver)))
  rmSync(socketOf(driver))
  await clock.advance(2000)
  await eventually(() => lstatSync(socketOf(driver)))
  const client = kubelet(t, driver)
  const { ino, ctimeMs } = lstatSync(socketOf(driver))
  await unary(client, client.notifyRegistrationStatus, { pluginRegistered: false, error: 'too early' })
  const unhealthy = await driver.get('/healthz', driver.running.healthPort)
  assert.equal(unhealthy.status, 503)
  assert.match(unhealthy.body, /kubelet refused: too early/)
  client.close()
  await clock.advance(2000)
  await eventually(() =>
    assert.notDeepEqual([lstatSync(socketOf(driver)).ino, lstatSync(socketOf(driver)).ctimeMs], [ino, ctimeMs]),
  )
})

test('health proves the path: a driver that kubelet never asks for is not healthy, nor ready without its provider', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { clock })
  const health = (path: string) => driver.get(path, driver.running.healthPort)
  assert.equal((await health('/readyz')).status, 200)
  await driver.provider.stop()
  const notReady = await health('/readyz')
  assert.equal(notReady.status, 503)
  assert.equal((await health('/healthz')).status, 200)
  await eventually(() => lstatSync(socketOf(driver)))
  await clock.advance(61_000)
  const unhealthy = await health('/healthz')
  assert.equal(unhealthy.status, 503)
  assert.match(unhealthy.body, /kubelet has not asked for 61 s/)
})

test('the driver introduces itself as an ephemeral-only node plugin', async (t) => {
  const driver = await startDriver(t)
  const { node, identity } = driver
  assert.deepEqual(await unary(identity, identity.getPluginInfo, {}), {
    name: 'secrets-store.csi.k8s.io',
    vendorVersion: 'v0.0.0-test',
    manifest: {},
  })
  assert.deepEqual(await unary(identity, identity.getPluginCapabilities, {}), { capabilities: [] })
  assert.deepEqual(await unary(identity, identity.probe, {}), { ready: { value: true } })
  assert.deepEqual(await unary(node, node.nodeGetInfo, {}), { nodeId: 'node-1', maxVolumesPerNode: 0 })
})

test('the driver has no controller: its service has no capability, checks arguments, and offers nothing', async (t) => {
  const driver = await startDriver(t)
  const client = new ControllerClient(driver.endpoint.replace('://', ':'), credentials.createInsecure(), {
    'grpc.default_authority': 'localhost',
  })
  t.after(() => client.close())
  assert.deepEqual(await unary(client, client.controllerGetCapabilities, {}), {})
  await assert.rejects(unary(client, client.createVolume, { name: '', volumeCapabilities: [] }), {
    code: Code.INVALID_ARGUMENT,
    details: 'CreateVolume: name: missing; volume_capabilities: missing',
  })
  await assert.rejects(unary(client, client.deleteVolume, { volumeId: 'v' }), { code: Code.UNIMPLEMENTED })
  await assert.rejects(
    unary(client, client.controllerPublishVolume, { volumeId: 'v', nodeId: '', volumeCapability: undefined }),
    { code: Code.INVALID_ARGUMENT, details: /node_id: missing; volume_capability: missing/ },
  )
  await assert.rejects(unary(client, client.controllerUnpublishVolume, { volumeId: '' }), {
    code: Code.INVALID_ARGUMENT,
  })
})
