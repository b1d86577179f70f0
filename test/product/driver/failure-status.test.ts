import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status as Code } from '@grpc/grpc-js'
import { startRotatingDriver } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'
import { ProviderFault } from '../../support/fake-provider.ts'

const minute = 60_000

test('the status object has the code of a failure and when the failures began, until a check succeeds', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const pod = await driver.mountedPod({ name: 'web' })
  const failure = async () => {
    const [found] = await driver.statuses()
    const annotations = found?.metadata.annotations ?? {}
    return ['failing-since', 'failure-code'].map((name) => annotations[`keymount.dev/${name}`])
  }
  assert.deepEqual(await failure(), [undefined, undefined])

  driver.provider.answer = () => {
    throw new ProviderFault(Code.PERMISSION_DENIED, 'no right on the vault')
  }
  await clock.advance(2 * minute)
  const since = `${new Date(clock.now()).toISOString().slice(0, 19)}Z`
  await eventually(async () => assert.deepEqual(await failure(), [since, 'PermissionDenied']))
  driver.provider.answer = () => {
    throw new ProviderFault(Code.UNAVAILABLE, 'no route to the vault')
  }
  await clock.advance(2 * minute)
  await eventually(async () => assert.deepEqual(await failure(), [since, 'Unavailable']))

  // A restarted driver continues from its status object.
  await driver.restart()
  await driver.publish(pod.request)
  driver.provider.answer = undefined
  await clock.advance(4 * minute)
  await eventually(async () => assert.deepEqual(await failure(), [undefined, undefined]))
})
