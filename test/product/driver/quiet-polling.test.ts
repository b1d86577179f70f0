import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type EventsConfirmation,
  type KubeClient,
  printClassChange,
  printEventsConfirmation,
  resources,
} from '#kubernetes/client'
import { intervalAttribute } from '#kubernetes/provider-protocol'
import { sleep } from '#lib'
import { startDriver } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'
import { objectsAttribute, startFakeProvider } from '../../support/fake-provider.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const minute = 60_000
const hour = 60 * minute
const shop = 'shop.vault.azure.net'
const csiDriver = { name: 'secrets-store.csi.k8s.io' }

/** A driver that polls every ten minutes, whose provider names the vault `shop`, and an operator that this test plays. */
async function start(t: TestContext) {
  const clock = createManualClock()
  let reads = 0
  /** Counts what the driver has read of the CSIDriver object. */
  const counted = (client: KubeClient): KubeClient => ({
    ...client,
    async get(resource, ref, options) {
      const object = await client.get(resource, ref, options)
      if (resource.plural === 'csidrivers') reads++
      return object
    },
  })
  const flags = ['--enable-secret-rotation', '--rotation-poll-interval=10m']
  const driver = await startDriver(t, { flags, clock, kube: counted, tickOffset: 0.5 })
  const provider = await startFakeProvider(join(driver.root, 'providers'), 'azure')
  t.after(() => provider.stop())
  provider.vaults = [shop]
  await driver.createClass('shop', { provider: 'azure', parameters: { objects: objectsAttribute(['foo']) } })
  await driver.kube
    .create(resources.csiDrivers, { apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver', metadata: csiDriver, spec: {} })
    .catch(() => undefined)
  const write = (text: string | null) =>
    driver.kube.patch(resources.csiDrivers, csiDriver, {
      metadata: { annotations: { 'keymount.dev/events-confirmed': text } },
    })
  let beat = 100
  const confirm = (change: Partial<EventsConfirmation> = {}) => {
    const confirmation = { intervalMs: 24 * hour, vaults: new Map([[shop, 'p1']]), namespaces: undefined, except: [] }
    const text = printEventsConfirmation({ beat: ++beat, at: clock.now(), ...confirmation, ...change })
    assert.ok(text !== undefined)
    return write(text)
  }
  /** Two minutes, until the driver has read the object. */
  const step = async () => {
    const before = reads
    await clock.advance(2 * minute)
    // Every ten minutes where nothing is confirmed.
    await eventually(async () => {
      if (reads === before) await clock.advance(minute)
      assert.ok(reads > before)
    })
  }
  /** The operator confirms for so long. */
  const confirmFor = async (ms: number, change: Partial<EventsConfirmation> = {}) => {
    for (let passed = 0; passed < ms; passed += 2 * minute) {
      await confirm(change)
      await step()
    }
  }
  const annotation = async (name: string) =>
    (await driver.statuses())[0]?.metadata.annotations?.[`keymount.dev/${name}`] ?? ''
  await confirm()
  await driver.restart({ flags, clock, kube: counted, tickOffset: 0.5 })
  await eventually(() => assert.equal(reads, 1))
  const mount = async () => {
    await driver.mountedPod({ name: 'web', className: 'shop' })
    assert.equal(provider.mounts.length, 1)
  }
  /** Until the volume has been checked so often beside its mount. */
  const checks = (count: number) => eventually(() => assert.equal(provider.mounts.length, 1 + count))
  return { driver, provider, clock, confirm, write, step, confirmFor, annotation, mount, checks, reads: () => reads }
}

test('the provider gets how rarely a volume may be read, so that its certificates stay in the metrics, and a class cannot change that', async (t) => {
  const { driver, provider, clock, mount } = await start(t)
  await mount()
  const given = () => {
    const attributes = JSON.parse(provider.mounts.at(-1)?.attributes ?? '{}') as Record<string, string>
    return attributes[intervalAttribute]
  }
  // The confirmation is not trusted yet, and may be soon.
  assert.equal(given(), String(24 * hour))
  await driver.restart({ flags: ['--rotation-poll-interval=10m'], clock })
  const parameters = { objects: objectsAttribute(['foo']), [intervalAttribute]: '1' }
  await driver.createClass('own', { provider: 'azure', parameters })
  await driver.mountedPod({ name: 'other', className: 'own' })
  assert.notEqual(given(), '1')
})

test('while the operator confirms that it hears of every change, volumes are polled at its interval; status and metrics show it', async (t) => {
  const { driver, clock, confirmFor, annotation, mount, checks } = await start(t)
  await mount()
  assert.equal(await annotation('poll-interval'), '')
  // One check at the volume's own interval, so that nothing from before the confirmation is missed.
  await confirmFor(12 * minute)
  await checks(1)
  await eventually(async () => assert.equal(await annotation('poll-interval'), '24h'))
  const next = Date.parse(await annotation('next-check')) - clock.now()
  assert.ok(next > hour && next <= 24 * hour, String(next))
  assert.match(await driver.metrics(), /rotation_quiet_volumes\{[^}]*class="shop"[^}]*\} 1/)
  await confirmFor(2 * hour)
  await checks(1)
  // A wall clock that is set changes nothing.
  clock.stepWallClock(-48 * hour)
  await confirmFor(20 * minute)
  clock.stepWallClock(96 * hour)
  await confirmFor(20 * minute)
  await checks(1)
})

test('an operator that ends is noticed within minutes: the volume is checked at the next tick of its own interval', async (t) => {
  const { clock, confirmFor, annotation, mount, checks, step, reads } = await start(t)
  await mount()
  await confirmFor(40 * minute)
  await checks(1)
  // The annotation stays as it was.
  for (let i = 0; i < 4; i++) await step()
  await clock.advance(10 * minute)
  await checks(2)
  await eventually(async () => assert.equal(await annotation('poll-interval'), ''))
  await clock.advance(10 * minute)
  await checks(3)
  // Half an hour later, the driver reads the annotation as rarely as without one.
  for (let i = 0; i < 12; i++) await step()
  const before = reads()
  for (let i = 0; i < 20; i++) {
    await clock.advance(minute)
    await sleep(20)
  }
  assert.ok(reads() - before <= 3, String(reads() - before))
})

test('a confirmation that is withdrawn, and vaults and namespaces that are left out of it, end at once', async (t) => {
  const { provider, confirm, write, step, confirmFor, annotation, mount, clock } = await start(t)
  await mount()
  const ends: (() => Promise<unknown>)[] = [
    () => write(null),
    () => confirm({ vaults: new Map([['bank.vault.azure.net', 'p1']]) }),
    () => confirm({ except: ['default'] }),
    () => confirm({ namespaces: ['another'] }),
    // A change may have been missed before the new period.
    () => confirm({ vaults: new Map([[shop, 'p2']]) }),
  ]
  for (const end of ends) {
    await eventually(async () => {
      await confirmFor(2 * minute)
      assert.equal(await annotation('poll-interval'), '24h')
    })
    const before = provider.mounts.length
    await confirmFor(30 * minute)
    assert.equal(provider.mounts.length, before)
    await end()
    await step()
    await clock.advance(10 * minute)
    await eventually(() => assert.ok(provider.mounts.length > before))
  }
})

test('an annotation that is never renewed, or is not the operator’s, stretches nothing', async (t) => {
  const { provider, write, step, annotation, mount, clock } = await start(t)
  await mount()
  const isPolled = async () => {
    const before = provider.mounts.length
    await clock.advance(20 * minute)
    await eventually(() => assert.ok(provider.mounts.length > before))
    assert.equal(await annotation('poll-interval'), '')
  }
  // The one from before the driver's start.
  for (let i = 0; i < 6; i++) await step()
  await isPolled()
  for (const text of ['{"beat":900,"interval":"876000h"}', 'yes']) {
    await write(text)
    await step()
    await isPolled()
  }
})

test('volumes of other vaults, of a provider that names none, and of pods that replace parameters are polled as always', async (t) => {
  const { driver, provider, confirmFor, mount, checks } = await start(t)
  await mount()
  provider.vaults = [shop, 'bank.vault.azure.net']
  await confirmFor(20 * minute)
  await checks(2)
  provider.vaults = []
  await confirmFor(20 * minute)
  await checks(4)
  provider.vaults = [shop]
  await confirmFor(30 * minute)
  await checks(5)
  const pod = await driver.pod({ name: 'other', className: 'shop' })
  const volumeContext = { ...pod.request.volumeContext, objects: objectsAttribute(['fookey']) }
  await driver.publish({ ...pod.request, volumeContext })
  await confirmFor(20 * minute)
  await checks(5 + 1 + 2)
})

test('a change that is reported is read at once, and the volume stays at the interval of the confirmation', async (t) => {
  const { driver, clock, confirmFor, annotation, mount, checks } = await start(t)
  await mount()
  await confirmFor(20 * minute)
  await checks(1)
  const change = { id: 'e1', at: clock.now(), seen: clock.now(), spreadSeconds: 0, signInSpreadSeconds: 0 }
  const text = printClassChange({ ...change, objects: [`https://${shop}/secrets/foo/2`] })
  await driver.kube.patch(
    resources.secretProviderClasses,
    { namespace: 'default', name: 'shop' },
    { metadata: { annotations: { 'keymount.dev/changed': text } } },
  )
  await eventually(async () => {
    await clock.advance(500)
    assert.equal(await annotation('changed-for'), 'e1')
  })
  await checks(2)
  assert.equal(await annotation('poll-interval'), '24h')
  await confirmFor(hour)
  await checks(2)
})

test('a driver that restarts checks its volumes once at their own interval, and not all at once', async (t) => {
  const { driver, provider, clock, confirmFor, annotation, checks } = await start(t)
  const pod = await driver.mountedPod({ name: 'web', className: 'shop' })
  await confirmFor(3 * hour)
  await checks(1)
  assert.equal(await annotation('poll-interval'), '24h')
  assert.equal(provider.mounts.length, 2)
  await driver.restart({ flags: ['--enable-secret-rotation', '--rotation-poll-interval=10m'], clock, tickOffset: 0.5 })
  await driver.publish(pod.request)
  assert.equal(provider.mounts.length, 2)
  await clock.advance(11 * minute)
  await checks(2)
})
