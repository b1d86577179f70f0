import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { status as Code } from '@grpc/grpc-js'
import { startDriver, type TestDriver } from '../support/driver.ts'
import { ProviderFault } from '../support/fake-provider.ts'
import { runCli } from '../support/run-cli.ts'

/** Longer than any test: nothing rotates but by the command. */
const rotating = ['--enable-secret-rotation', '--rotation-poll-interval=1h']

const rotate = ({ kubeconfig }: TestDriver, ...words: string[]) =>
  runCli(['rotate', ...words], { KUBECONFIG: kubeconfig, NO_COLOR: '1' })

test('rotate tells for every pod of the class what came of it', async (t) => {
  const driver = await startDriver(t, { flags: rotating })
  const changed = await driver.pod({ name: 'web' })
  await driver.publish(changed.request)
  await driver.publish((await driver.pod({ name: 'other', className: 'web' })).request)
  driver.provider.objects.set('foo', { content: 'rotated', version: 'v2' })

  const first = await rotate(driver, 'web')
  assert.deepEqual(first.stdout.trim().split('\n').toSorted(), [
    '✓ default/other: new content',
    '✓ default/web: new content',
  ])
  assert.equal(first.code, 0)
  assert.equal(readFileSync(join(changed.targetPath, 'foo'), 'utf8'), 'rotated')

  const second = await rotate(driver, 'web')
  assert.match(second.stdout, /^✓ default\/web: looked up, nothing new$/m)
  assert.equal(second.code, 0)
})

test('rotate says why a pod keeps its old files, each time anew, and ends with status 1', async (t) => {
  const driver = await startDriver(t, { flags: rotating })
  const pod = await driver.pod({ name: 'web' })
  await driver.publish(pod.request)
  driver.provider.answer = () => {
    throw new ProviderFault(Code.PERMISSION_DENIED, 'no right on the vault')
  }
  for (let i = 0; i < 2; i++) {
    const { code, stdout } = await rotate(driver, 'web', '-n', 'default')
    assert.equal(code, 1)
    assert.match(stdout, /^✗ default\/web: failed, the old files stay: .*no right on the vault/)
  }
  assert.equal(readFileSync(join(pod.targetPath, 'foo'), 'utf8'), 'secret')

  driver.provider.answer = undefined
  const { code, stdout } = await rotate(driver, 'web', '--json')
  assert.equal(code, 0)
  assert.deepEqual(JSON.parse(stdout).volumes, [{ pod: 'web', outcome: 'unchanged', reason: null }])
})

test('rotate does not wait for a driver that does not rotate, and says so', async (t) => {
  const driver = await startDriver(t)
  await driver.publish((await driver.pod({ name: 'web' })).request)
  const { code, stdout } = await rotate(driver, 'web')
  assert.equal(code, 1)
  assert.match(stdout, /^✗ default\/web: no answer yet: its driver does not rotate: .*enableSecretRotation=true/)
})

test('rotate waits for the pods as long as it was told', async (t) => {
  const driver = await startDriver(t, { flags: rotating })
  await driver.publish((await driver.pod({ name: 'web' })).request)
  // After a restart the driver has no token of the pod.
  await driver.restart()
  const { code, stdout } = await rotate(driver, 'web', '--timeout', '1s')
  assert.equal(code, 1)
  assert.match(stdout, /^✗ default\/web: no answer yet: its driver may have just started/)
})

test('rotate of a class that nobody has mounted, and of one that is not there', async (t) => {
  const driver = await startDriver(t, { flags: rotating })
  await driver.createClass('idle', { provider: 'p', parameters: { objects: '' } })
  const idle = await rotate(driver, 'idle')
  assert.equal(idle.code, 0)
  assert.match(idle.stdout, /No pod has the class default\/idle mounted/)

  const missing = await rotate(driver, 'typo')
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /There is no SecretProviderClass "typo" in namespace "default"/)
})

test('rotate without a cluster says where it looked', async () => {
  const { code, stderr } = await runCli(['rotate', 'web', '--home', '/nonexistent'], {
    KUBECONFIG: '',
    HOME: '/nonexistent',
  })
  assert.equal(code, 1)
  assert.match(stderr, /There is no cluster to work on/)
})
