import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type ClassChange, printClassChange, resources } from '#kubernetes/client'
import { changedAttribute, type MountResponse, maxAgeAttribute } from '#kubernetes/provider-protocol'
import { type DriverOverrides, startDriver, type TestDriver } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'
import { objectsAttribute, ProviderFault, startFakeProvider } from '../../support/fake-provider.ts'
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts'

const minute = 60_000
const flags = ['--enable-secret-rotation', '--rotation-poll-interval=1h']
const idOf = (name: string) => `https://shop.vault.azure.net/secrets/${name}/1f`

/** A driver whose provider is called `azure`, as ours, and a class that is polled hourly. */
async function start(t: TestContext, overrides: DriverOverrides = {}) {
  const clock = createManualClock()
  const driver = await startDriver(t, { flags, clock, tickOffset: 0.99, ...overrides })
  const provider = await startFakeProvider(join(driver.root, 'providers'), 'azure')
  t.after(() => provider.stop())
  const azure: TestDriver = Object.assign(driver, { provider })
  await driver.createClass('shop', { provider: 'azure', parameters: { objects: objectsAttribute(['foo', 'fookey']) } })
  return { driver: azure, clock }
}

function report(
  driver: TestDriver,
  clock: ManualClock,
  change: Partial<ClassChange>,
  name = 'shop',
  namespace = 'default',
) {
  const text = printClassChange({
    id: 'event-1',
    at: clock.now() - 400,
    seen: clock.now(),
    objects: [idOf('foo')],
    spreadSeconds: 0,
    signInSpreadSeconds: change.spreadSeconds ?? 0,
    ...change,
  })
  return driver.kube.patch(
    resources.secretProviderClasses,
    { namespace, name },
    { metadata: { annotations: { 'keymount.dev/changed': text } } },
  )
}

/** Until the driver has seen so many changes of its classes. */
function reports(driver: TestDriver, count: number) {
  const seen = () => driver.log.filter((line) => line.includes('the class reports a change in the vault'))
  return eventually(() => assert.equal(seen().length, count))
}

/** The changes that each Mount so far named. */
function changedSent({ provider }: TestDriver): (string | undefined)[] {
  return provider.mounts.map(({ attributes }) => (JSON.parse(attributes) as Record<string, string>)[changedAttribute])
}

async function changedFor(driver: TestDriver): Promise<string | undefined> {
  const [status] = await driver.statuses()
  return status?.metadata.annotations?.['keymount.dev/changed-for']
}

/** Versions without files: the volume keeps what it holds. */
const unchanged: MountResponse = {
  objectVersion: ['foo', 'fookey'].map((name) => ({ id: `secret/${name}`, version: 'v1' })),
  error: undefined,
  files: [],
}

/** The driver's clock does not move meanwhile. */
const mounts = (driver: TestDriver, count: number) =>
  eventually(() => assert.equal(driver.provider.mounts.length, count, JSON.stringify(changedSent(driver))))

test('a change that the class reports reaches the files at once, and only its objects are named to the provider', async (t) => {
  const { driver, clock } = await start(t)
  const pod = await driver.mountedPod({ className: 'shop' })
  assert.deepEqual(changedSent(driver), [undefined])
  driver.provider.objects.set('foo', { content: 'new', version: 'v2' })
  await report(driver, clock, {})
  await eventually(async () => {
    await clock.advance(1)
    assert.equal(readFileSync(join(pod.targetPath, 'foo'), 'utf8'), 'new')
  })
  assert.deepEqual(changedSent(driver), [undefined, JSON.stringify([idOf('foo')])])
  await eventually(async () => assert.equal(await changedFor(driver), 'event-1'))
  const text = await driver.metrics()
  assert.match(text, /^keymount_change_to_file_seconds_count\{.*source="event".*\} 1$/m)
  assert.match(text, /^keymount_change_to_file_seconds_bucket\{.*le="0\.25".*\} 0$/m)
  assert.match(text, /^keymount_change_to_file_seconds_bucket\{.*le="0\.5".*\} 1$/m)

  // The same event again, as a queue may deliver it.
  await report(driver, clock, { seen: clock.now() + 1 })
  await clock.advance(minute)
  assert.equal(driver.provider.mounts.length, 2)
})

test('the volumes of a class take what was read for one of them since the node saw the change', async (t) => {
  const { driver, clock } = await start(t)
  for (let pods = 0; pods < 3; pods++) await driver.mountedPod({ className: 'shop' })
  driver.provider.objects.set('foo', { content: 'new', version: 'v2' })
  await report(driver, clock, { spreadSeconds: 10 })
  await eventually(async () => {
    await clock.advance(500)
    assert.equal(driver.provider.mounts.length, 6)
  })
  const seen = driver.provider.mounts.map(
    ({ attributes }) => (JSON.parse(attributes) as Record<string, string>)[maxAgeAttribute],
  )
  assert.deepEqual(seen.slice(0, 3), [undefined, undefined, undefined])
  for (const age of seen.slice(3)) assert.ok(Number(age) >= 0 && Number(age) <= clock.elapsed(), String(age))
})

test('a change of the future counts as one of now, and a driver without an event measures the time since its last check', async (t) => {
  const { driver, clock } = await start(t)
  await driver.mountedPod({ className: 'shop' })
  driver.provider.objects.set('foo', { content: 'new', version: 'v2' })
  await report(driver, clock, { at: clock.now() + 10 * minute })
  await eventually(async () => {
    await clock.advance(1)
    assert.match(await driver.metrics(), /^keymount_change_to_file_seconds_sum\{.*source="event".*\} 0$/m)
  })
  driver.provider.objects.set('foo', { content: 'newer', version: 'v3' })
  await clock.advance(60 * minute)
  await eventually(async () =>
    assert.match(await driver.metrics(), /^keymount_change_to_file_seconds_count\{.*source="poll".*\} 1$/m),
  )
})

test('the reads after a change are spread, and the objects of changes that wait are read together', async (t) => {
  const { driver, clock } = await start(t)
  await driver.mountedPod({ className: 'shop' })
  driver.provider.answer = () => {
    throw new ProviderFault(14, '[vault-timeout] the vault does not answer')
  }
  await report(driver, clock, {})
  await eventually(async () => {
    await clock.advance(1)
    assert.equal(driver.provider.mounts.length, 2)
  })
  await report(driver, clock, { id: 'event-2', objects: [idOf('fookey')], spreadSeconds: 3600 })
  driver.provider.answer = undefined
  await clock.advance(20_000)
  await mounts(driver, 3)
  assert.deepEqual(JSON.parse(changedSent(driver).at(-1) ?? '[]'), [idOf('foo'), idOf('fookey')])
  await eventually(async () => assert.equal(await changedFor(driver), 'event-2'))
})

test('a node whose provider holds the token reads within the spread, and one that has to sign in within the spread for sign-ins', async (t) => {
  const { driver, clock } = await start(t)
  driver.provider.heldToken = { identity: 'a'.repeat(32), ms: 10 * minute }
  await driver.mountedPod({ className: 'shop' })
  t.mock.method(Math, 'random', () => 0.5)
  const spread = { spreadSeconds: 2, signInSpreadSeconds: 100 }
  await report(driver, clock, spread)
  await reports(driver, 1)
  await clock.advance(990)
  assert.equal(driver.provider.mounts.length, 1)
  await clock.advance(20)
  await mounts(driver, 2)
  await eventually(async () => assert.equal(await changedFor(driver), 'event-1'))

  // The token has ended by then.
  await clock.advance(11 * minute)
  await report(driver, clock, { ...spread, id: 'event-2' })
  await reports(driver, 2)
  await clock.advance(49_900)
  assert.equal(driver.provider.mounts.length, 2)
  await clock.advance(200)
  await mounts(driver, 3)
})

test('the classes of a node that change before its sign-in are read by that one sign-in, and each no later than within its own spread', async (t) => {
  const { driver, clock } = await start(t)
  const parameters = { objects: objectsAttribute(['foo', 'fookey']) }
  for (const name of ['second', 'quick']) await driver.createClass(name, { provider: 'azure', parameters })
  for (const className of ['shop', 'second', 'quick']) await driver.mountedPod({ className })
  const random = t.mock.method(Math, 'random', () => 0.5)
  await report(driver, clock, { signInSpreadSeconds: 100 })
  await reports(driver, 1)
  random.mock.mockImplementation(() => 0.01)
  await report(driver, clock, { id: 'event-2', signInSpreadSeconds: 200 }, 'second')
  await reports(driver, 2)
  await clock.advance(49_900)
  assert.equal(driver.provider.mounts.length, 3)
  random.mock.mockImplementation(() => 0.5)
  await report(driver, clock, { id: 'event-3', signInSpreadSeconds: 0 }, 'quick')
  await reports(driver, 3)
  await clock.advance(1)
  await mounts(driver, 4)
  await clock.advance(200)
  await mounts(driver, 6)
})

test('a class of another namespace does not move a sign-in forward, whatever spread its tenant writes', async (t) => {
  const { driver, clock } = await start(t)
  const parameters = { objects: objectsAttribute(['foo', 'fookey']) }
  await driver.kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'tenant' } })
  await driver.createClass('quick', { provider: 'azure', parameters }, 'tenant')
  await driver.mountedPod({ className: 'shop' })
  await driver.mountedPod({ className: 'quick', namespace: 'tenant' })
  const random = t.mock.method(Math, 'random', () => 0.5)
  await report(driver, clock, { signInSpreadSeconds: 1 }, 'quick', 'tenant')
  await reports(driver, 1)
  random.mock.mockImplementation(() => 0.9)
  await report(driver, clock, { id: 'event-2', signInSpreadSeconds: 100 })
  await reports(driver, 2)
  await clock.advance(1_100)
  await mounts(driver, 3)
  await clock.advance(88_000)
  assert.equal(driver.provider.mounts.length, 3)
  await clock.advance(1_000)
  await mounts(driver, 4)
})

for (const outcome of ['is answered', 'fails'])
  test(`a change that is reported during a check that ${outcome} is read for right after it`, async (t) => {
    const { driver, clock } = await start(t)
    const pod = await driver.mountedPod({ className: 'shop' })
    const held = Promise.withResolvers<MountResponse>()
    driver.provider.answer = () => held.promise
    await report(driver, clock, {})
    await eventually(async () => {
      await clock.advance(1)
      assert.equal(driver.provider.mounts.length, 2)
    })
    driver.provider.answer = undefined
    driver.provider.objects.set('fookey', { content: 'new', version: 'v2' })
    await report(driver, clock, { id: 'event-2', objects: [idOf('fookey')] })
    await reports(driver, 2)
    if (outcome === 'fails') held.reject(new ProviderFault(14, '[vault-timeout] the vault does not answer'))
    else held.resolve(unchanged)
    await eventually(async () => {
      await clock.advance(1)
      assert.equal(readFileSync(join(pod.targetPath, 'fookey'), 'utf8'), 'new')
    })
    assert.deepEqual(JSON.parse(changedSent(driver).at(-1) ?? '[]'), [idOf('foo'), idOf('fookey')])
    assert.equal(driver.provider.mounts.length, 3)
    await eventually(async () => assert.equal(await changedFor(driver), 'event-2'))
  })

for (const key of ['changed', 'rotate'])
  test(`a class whose ${key} annotation gets 30 values in a second is checked once in that second, and once more for the last`, async (t) => {
    const { driver, clock } = await start(t)
    await driver.mountedPod({ className: 'shop' })
    const write = (value: number) =>
      key === 'changed'
        ? report(driver, clock, { id: `event-${value}`, objects: [idOf(value === 30 ? 'fookey' : 'foo')] })
        : driver.kube.patch(
            resources.secretProviderClasses,
            { namespace: 'default', name: 'shop' },
            { metadata: { annotations: { 'keymount.dev/rotate': String(value) } } },
          )
    t.mock.method(Math, 'random', () => 0)
    await write(1)
    await mounts(driver, 2)
    for (let value = 2; value <= 30; value++) {
      await write(value)
      await clock.advance(2)
    }
    await clock.advance(900)
    await mounts(driver, 2)
    await eventually(async () => {
      await clock.advance(10)
      const [status] = await driver.statuses()
      const { annotations = {} } = status?.metadata ?? {}
      if (key === 'changed') assert.equal(annotations['keymount.dev/changed-for'], 'event-30')
      else assert.equal(annotations['keymount.dev/rotated-for'], '30')
    })
    await clock.advance(minute)
    await mounts(driver, 3)
    if (key === 'changed') assert.deepEqual(changedSent(driver).at(-1), JSON.stringify([idOf('foo'), idOf('fookey')]))
  })

test('a pod that starts right after a change gets what was read after it, and later pods share reads again', async (t) => {
  const { driver, clock } = await start(t)
  await driver.mountedPod({ className: 'shop' })
  await report(driver, clock, {})
  await eventually(async () => {
    await clock.advance(1)
    assert.equal(driver.provider.mounts.length, 2)
  })
  await driver.mountedPod({ className: 'shop' })
  assert.equal(changedSent(driver).at(-1), '["*"]')
  await clock.advance(20_000)
  await driver.mountedPod({ className: 'shop' })
  assert.equal(changedSent(driver).at(-1), undefined)
})

test('after a restart, the driver reads for a change that came while it was down, and not for one that it has read for', async (t) => {
  const { driver, clock } = await start(t)
  const pod = await driver.mountedPod({ className: 'shop' })
  await report(driver, clock, {})
  await eventually(async () => {
    await clock.advance(1)
    assert.equal(await changedFor(driver), 'event-1')
  })
  const { provider } = driver
  await driver.restart()
  Object.assign(driver, { provider })
  await driver.publish(pod.request)
  await clock.advance(minute)
  await mounts(driver, 2)

  await driver.running.stop()
  await report(driver, clock, { id: 'event-2' })
  await driver.restart()
  Object.assign(driver, { provider })
  await driver.publish(pod.request)
  await eventually(async () => {
    await clock.advance(1)
    assert.equal(provider.mounts.length, 3)
  })
  assert.equal(changedSent(driver).at(-1), '["*"]', 'it cannot know which changes it has missed')
})

test('an annotation that the operator did not write has no effect, and other providers do not see one that it did', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { flags, clock, tickOffset: 0.99 })
  await driver.mountedPod({ name: 'web' })
  const annotate = (text: string) =>
    driver.kube.patch(
      resources.secretProviderClasses,
      { namespace: 'default', name: 'web' },
      { metadata: { annotations: { 'keymount.dev/changed': text } } },
    )
  for (const text of ['now', '{"id":"x"}', `{"id":"${'x'.repeat(5000)}"}`]) await annotate(text)
  await clock.advance(minute)
  assert.equal(driver.provider.mounts.length, 1)
  const time = new Date(clock.now()).toISOString()
  await annotate(JSON.stringify({ id: 'e', at: time, seen: time, objects: ['*'], spreadSeconds: 0 }))
  await eventually(async () => {
    await clock.advance(1)
    assert.equal(driver.provider.mounts.length, 2)
  })
  assert.deepEqual(changedSent(driver), [undefined, undefined])
})
