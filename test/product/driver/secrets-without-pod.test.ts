import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resources, wasFound } from '#kubernetes/client'
import { sleep } from '#lib'
import { startRotatingDriver, type TestDriver } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'

/** Classes that name a service account for their Secrets: the sync controller makes these. */

const secretObjects = [{ secretName: 'web-secret', data: [{ objectName: 'foo', key: 'username' }] }]

async function annotate({ kube }: TestDriver, account: string | null): Promise<void> {
  const annotations = { 'keymount.dev/sync-service-account': account }
  await kube.patch(
    resources.secretProviderClasses,
    { name: 'web', namespace: 'default' },
    { metadata: { annotations } },
  )
}

function exists({ kube }: TestDriver): Promise<boolean> {
  return wasFound(kube.get(resources.secrets, { name: 'web-secret', namespace: 'default' }))
}

test('the driver neither writes nor removes the Secrets of a class that names a service account for them', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const { request } = await driver.pod({ name: 'web', secretObjects })
  await annotate(driver, 'app')
  await driver.publish(request)
  assert.equal(await exists(driver), false)

  await annotate(driver, null)
  await eventually(async () => {
    await clock.advance(60_000)
    assert.equal(await exists(driver), true)
  })
  await annotate(driver, 'app')
  // Longer than a Secret stays that its class no longer names.
  for (let minutes = 0; minutes < 15; minutes++) {
    await clock.advance(60_000)
    await sleep(20)
  }
  assert.equal(await exists(driver), true)
  assert.deepEqual(
    (await driver.events()).filter(({ reason }) => reason?.startsWith('Secret')).map(({ reason }) => reason),
    [],
  )
})
