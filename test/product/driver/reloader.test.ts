import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { status as Code } from '@grpc/grpc-js'
import { follow, resources, type SecretProviderClassPodStatus } from '#kubernetes/client'
import { startRotatingDriver } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'
import { ProviderFault } from '../../support/fake-provider.ts'

const minute = 60_000

/**
 * What stakater/Reloader 1.4 (`--enable-csi-integration`) relies on: it watches updates of status objects, hashes the sorted
 * `id=version` of `status.objects` and the class's name with SHA-1, reloads workloads when that hash is not the one that it
 * stored last for the class, and reads the class by `status.secretProviderClassName` in the same namespace.
 */
function reloaderHash({ status }: SecretProviderClassPodStatus): string {
  const objects = (status?.objects ?? []).map(({ id, version }) => `${id}=${version}`)
  const lines = [...objects, `SecretProviderClassName=${status?.secretProviderClassName}`]
  return createHash('sha1').update(lines.toSorted().join(';')).digest('hex')
}

test('Reloader sees one change for each rotation, the same one for all pods of a class, and none for a check or a failure', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const updates: SecretProviderClassPodStatus[] = []
  const watch = follow(
    driver.kube,
    resources.secretProviderClassPodStatuses,
    {},
    {
      onList: () => {},
      onChange: (type, object) => void (type === 'MODIFIED' && updates.push(object)),
    },
  )
  t.after(() => watch.stop())
  await watch.synced
  const objects = ['foo', 'fookey']
  const one = await driver.pod({ name: 'one', className: 'app' })
  const two = await driver.pod({ name: 'two', className: 'app' })
  await driver.createClass('app', { provider: driver.provider.name, parameters: { objects: arrayOf(objects) } })
  await driver.publish(one.request)
  await driver.publish(two.request)
  const [first, ...others] = await driver.statuses()
  assert.ok(first)
  for (const object of [first, ...others]) {
    assert.equal(object.apiVersion, 'secrets-store.csi.x-k8s.io/v1')
    assert.equal(object.status?.mounted, true)
    assert.equal(object.status.secretProviderClassName, 'app')
    const ids = (object.status.objects ?? []).map(({ id }) => id)
    assert.equal(new Set(ids).size, objects.length)
    assert.equal(reloaderHash(object), reloaderHash(first))
  }
  const hashes = () => new Set(updates.map(reloaderHash))

  // Checks that find nothing new, and that write their time after five minutes; then failures.
  for (let checks = 0; checks < 4; checks++) await clock.advance(2 * minute)
  driver.provider.answer = () => {
    throw new ProviderFault(Code.UNAVAILABLE, 'no route to the vault')
  }
  await clock.advance(2 * minute)
  await eventually(() => assert.ok(updates.length >= 2, 'the objects are written'))
  driver.provider.answer = undefined
  await clock.advance(4 * minute)
  assert.deepEqual([...hashes()], [reloaderHash(first)])

  driver.provider.objects.set('foo', { content: 'new', version: 'v2' })
  await clock.advance(2 * minute)
  await eventually(async () => {
    const now = new Set((await driver.statuses()).map(reloaderHash))
    assert.equal(now.size, 1)
    assert.ok(!now.has(reloaderHash(first)))
  })
  const changed = new Set((await driver.statuses()).map(reloaderHash))
  await eventually(() => assert.deepEqual(hashes(), new Set([reloaderHash(first), ...changed])))
  // Once for each pod, not in steps.
  assert.equal(
    new Set(updates.filter((one) => changed.has(reloaderHash(one))).map(({ metadata }) => metadata.name)).size,
    2,
  )

  // A pod that starts later has the versions that the others have: nothing changes.
  await driver.mountedPod({ name: 'three', className: 'app' })
  assert.deepEqual(new Set((await driver.statuses()).map(reloaderHash)), changed)
})

function arrayOf(names: readonly string[]): string {
  return `array:\n${names.map((name) => `- |\n  objectName: ${name}\n`).join('')}`
}
