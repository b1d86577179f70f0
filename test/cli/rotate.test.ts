import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { status as Code } from '@grpc/grpc-js'
import { resources } from '#kubernetes/client'
import { startDriver, type TestDriver } from '../support/driver.ts'
import { ProviderFault } from '../support/fake-provider.ts'
import { runCli } from '../support/run-cli.ts'

/** Longer than any test: nothing rotates but by the command. */
const rotating = ['--enable-secret-rotation', '--rotation-poll-interval=1h']

const rotate = ({ kubeconfig }: TestDriver, ...words: string[]) =>
  runCli(['rotate', ...words], { KUBECONFIG: kubeconfig, NO_COLOR: '1' })

test('rotate prints what changed, with the versions before and after, once for all pods with the same result', async (t) => {
  const driver = await startDriver(t, { flags: rotating })
  const changed = await driver.pod({ name: 'web' })
  await driver.publish(changed.request)
  await driver.publish((await driver.pod({ name: 'other', className: 'web' })).request)
  driver.provider.objects.set('foo', { content: 'rotated', version: 'v2' })

  const first = await rotate(driver, 'web')
  assert.equal(first.stdout, '✓ changed: 2 pods (other, web)\n    secret/foo  v1 → v2\n')
  assert.equal(first.code, 0)
  assert.equal(readFileSync(join(changed.targetPath, 'foo'), 'utf8'), 'rotated')

  const second = await rotate(driver, 'web')
  assert.equal(second.stdout, '✓ unchanged: 2 pods (other, web)\n')
  assert.equal(second.code, 0)
})

test('rotate prints why a pod keeps its old files, each time again, and ends with status 1', async (t) => {
  const driver = await startDriver(t, { flags: rotating })
  const pod = await driver.pod({ name: 'web' })
  await driver.publish(pod.request)
  driver.provider.answer = () => {
    throw new ProviderFault(Code.PERMISSION_DENIED, 'no right on the vault')
  }
  for (let i = 0; i < 2; i++) {
    const { code, stdout } = await rotate(driver, 'web', '-n', 'default')
    assert.equal(code, 1)
    assert.match(stdout, /^✗ failed; the old files stay: 1 pod \(web\)\n {4}no right on the vault\n$/)
  }
  assert.equal(readFileSync(join(pod.targetPath, 'foo'), 'utf8'), 'secret')

  driver.provider.answer = undefined
  const { code, stdout } = await rotate(driver, 'web', '--json')
  assert.equal(code, 0)
  const objects = [{ id: 'secret/foo', before: 'v1', after: 'v1' }]
  assert.deepEqual(JSON.parse(stdout).volumes, [{ pod: 'web', outcome: 'unchanged', reason: null, objects }])
})

test('rotate does not wait for a driver that does not rotate, and reports it', async (t) => {
  const driver = await startDriver(t)
  await driver.publish((await driver.pod({ name: 'web' })).request)
  const { code, stdout } = await rotate(driver, 'web')
  assert.equal(code, 1)
  assert.match(
    stdout,
    /^✗ no answer yet: 1 pod \(web\)\n {4}its driver does not rotate: .*\s+enableSecretRotation=true/,
  )
})

test('rotate waits for the pods no longer than --timeout', async (t) => {
  const driver = await startDriver(t, { flags: rotating })
  await driver.publish((await driver.pod({ name: 'web' })).request)
  // After a restart the driver has no token of the pod.
  await driver.restart()
  const { code, stdout } = await rotate(driver, 'web', '--timeout', '1s')
  assert.equal(code, 1)
  assert.match(stdout, /^✗ no answer yet: 1 pod \(web\)\n {4}its driver may have just started/)
})

test('rotate of a class that no pod mounts, and of one that does not exist', async (t) => {
  const driver = await startDriver(t, { flags: rotating })
  await driver.createClass('idle', { provider: 'p', parameters: { objects: '' } })
  const idle = await rotate(driver, 'idle')
  assert.equal(idle.code, 0)
  assert.match(idle.stdout, /No pod has the class default\/idle mounted/)

  const missing = await rotate(driver, 'iddle')
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /There is no SecretProviderClass "iddle" in namespace "default"/)
  assert.match(missing.stderr, /did you mean idle\?/)
})

test('rotate without a cluster prints where it looked', async () => {
  const { code, stderr } = await runCli(['rotate', 'web', '--home', '/nonexistent'], {
    KUBECONFIG: '',
    HOME: '/nonexistent',
  })
  assert.equal(code, 1)
  assert.match(stderr, /There is no cluster to work on/)
})

test('rotate names the mounts that keep the old content, because they are of a subPath', async (t) => {
  const driver = await startDriver(t, { flags: rotating })
  await driver.publish((await driver.pod({ name: 'web' })).request)
  const volumes = [
    { name: 'v', csi: { driver: 'secrets-store.csi.k8s.io', volumeAttributes: { secretProviderClass: 'web' } } },
  ]
  const volumeMounts = [
    { name: 'v', mountPath: '/all' },
    { name: 'v', mountPath: '/etc/foo', subPath: 'foo' },
  ]
  await driver.kube.create(resources.pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'pinned', namespace: 'default' },
    spec: { containers: [{ name: 'main', image: 'busybox', volumeMounts }], volumes },
  })
  const { stdout, code } = await rotate(driver, 'web')
  assert.equal(code, 0)
  assert.match(stdout, /^! Mounted by subPath, .*:\n {4}pinned: \/etc\/foo in container main\n$/m)
})
