import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classAnnotations, resources } from '#kubernetes/client'
import { changedAttribute, maxAgeAttribute, serviceAccountAnnotationsAttribute } from '#kubernetes/provider-protocol'
import { startDriver, startRotatingDriver, type TestDriver } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'

const minute = 60_000

/** The oldest answers, in milliseconds, that the driver took from the provider, one per mount. */
function maxAges({ provider }: TestDriver): (string | undefined)[] {
  return provider.mounts.map(({ attributes }) => (JSON.parse(attributes) as Record<string, string>)[maxAgeAttribute])
}

test('a rotation that was asked for takes no answer that is older than the request', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  await driver.mountedPod({ name: 'web' })
  await clock.advance(2 * minute)
  await eventually(() => assert.equal(driver.provider.mounts.length, 2))
  assert.deepEqual(maxAges(driver), [undefined, undefined], 'at its interval, a volume shares reads with others')

  const ref = { name: 'web', namespace: 'default' }
  await driver.kube.patch(resources.secretProviderClasses, ref, {
    metadata: { annotations: { [classAnnotations.rotate]: 'now' } },
  })
  await eventually(async () => {
    await clock.advance(100)
    assert.equal(driver.provider.mounts.length, 3)
  })
  const age = Number(maxAges(driver)[2])
  // The nodes of a cluster spread over two seconds.
  assert.ok(age >= 0 && age <= 2200, `${age}`)

  await clock.advance(2 * minute)
  await eventually(() => assert.equal(driver.provider.mounts.length, 4))
  assert.equal(maxAges(driver)[3], undefined)
})

test('neither a class nor a pod sets the attributes by which callers describe a request to the provider', async (t) => {
  const driver = await startDriver(t)
  const forged = {
    [maxAgeAttribute]: '0',
    [changedAttribute]: '["*"]',
    [serviceAccountAnnotationsAttribute]: '{"azure.workload.identity/client-id":"x"}',
  }
  const { request } = await driver.pod({ name: 'web', parameters: forged })
  await driver.publish({ ...request, volumeContext: { ...request.volumeContext, ...forged } })
  const sent = JSON.parse(driver.provider.mounts[0]?.attributes ?? '{}') as Record<string, string>
  assert.deepEqual(
    Object.keys(sent).filter((name) => name in forged),
    [],
  )
})
