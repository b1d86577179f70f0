import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { resources } from '#kubernetes/client'
import { startDriver, startRotatingDriver } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const minute = 60_000
const hour = 60 * minute

for (const step of [-8 * hour, 8 * hour]) {
  test(`volumes rotate in their interval when the wall clock is set ${step < 0 ? 'back' : 'forward'} by eight hours`, async (t) => {
    const { driver, clock } = await startRotatingDriver(t)
    const pod = await driver.mountedPod()
    clock.stepWallClock(step)
    driver.provider.objects.set('foo', { content: 'rotated', version: 'v2' })
    await clock.advance(2 * minute)
    await eventually(() => assert.equal(readFileSync(join(pod.targetPath, 'foo'), 'utf8'), 'rotated'))
    await eventually(async () => {
      const [status] = await driver.statuses()
      const next = Date.parse(status?.metadata.annotations?.['keymount.dev/next-check'] ?? '')
      assert.ok(next > clock.now() && next <= clock.now() + 2 * minute, 'the status object has the new time')
    })
    assert.equal(driver.provider.mounts.length, 2)
  })
}

test('a restarted driver checks a volume within its interval, whatever time its status object has', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const pod = await driver.mountedPod({ name: 'web' })
  clock.stepWallClock(-8 * hour)
  await driver.restart()
  driver.provider.objects.set('foo', { content: 'rotated', version: 'v2' })
  await driver.publish(pod.request)
  await clock.advance(2 * minute)
  await eventually(() => assert.equal(readFileSync(join(pod.targetPath, 'foo'), 'utf8'), 'rotated'))
})

test('of two volumes of a class the one that changed last is mirrored, although the wall clock was set back in between', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { clock })
  const secretObjects = [{ secretName: 's', data: [{ objectName: 'foo', key: 'k' }] }]
  driver.provider.objects.set('foo', { content: 'old', version: 'v1' })
  await driver.mountedPod({ name: 'web', secretObjects })
  clock.stepWallClock(-8 * hour)
  await clock.advance(minute)
  driver.provider.objects.set('foo', { content: 'new', version: 'v2' })
  await driver.mountedPod({ name: 'second', className: 'web' })
  const ref = { name: 's', namespace: 'default' }
  await driver.kube.delete(resources.secrets, ref)
  await eventually(async () => {
    await clock.advance(5 * minute)
    const { data } = await driver.kube.get(resources.secrets, ref)
    assert.equal(Buffer.from(data?.k ?? '', 'base64').toString(), 'new')
  })
})
