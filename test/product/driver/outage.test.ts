import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { status as Code } from '@grpc/grpc-js'
import { type KubeClient, KubeError, resources } from '#kubernetes/client'
import { startDriver, type TestDriver } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'
import { ProviderFault, startFakeProvider } from '../../support/fake-provider.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const minute = 60_000
const rotating = ['--enable-secret-rotation', '--rotation-poll-interval=10m']
const since = Date.parse('2026-11-28T14:02:00Z')
const reason = '[vault-name-not-resolved] vault "shop" has no address'

async function staleSince(driver: TestDriver): Promise<string | undefined> {
  const [status] = await driver.statuses()
  return status?.metadata.annotations?.['keymount.dev/stale-since']
}

async function staleEvents(driver: TestDriver) {
  return (await driver.events()).filter((event) => event.reason === 'MountedStale')
}

/** What the provider answers when a vault, or Entra, cannot answer. */
function outage(driver: TestDriver, text = `failed to mount objects, error: ${reason}`, code = Code.UNAVAILABLE) {
  driver.provider.answer = () => {
    throw new ProviderFault(code, text)
  }
}

for (const flags of [rotating, []])
  test(`a pod that starts with values from before an outage reports it, and is asked for again every 15 s until they are fresh${flags.length > 0 ? '' : ', also without rotation'}`, async (t) => {
    const clock = createManualClock()
    const driver = await startDriver(t, { flags, clock })
    driver.provider.stale = { since, reason }
    const pod = await driver.mountedPod({ name: 'web' })
    assert.equal(await staleSince(driver), '2026-11-28T14:02:00Z')
    await eventually(async () => {
      const [event] = await staleEvents(driver)
      const text = `the volume has values of 2026-11-28T14:02:00Z, because ${reason}; they are read again every 15 s`
      assert.deepEqual([event?.type, event?.message, event?.involvedObject.uid], ['Warning', text, pod.uid])
    })
    assert.match(await driver.metrics(), /^stale_volumes\{.*class="web".*\} 1$/m)

    // A provider that has nothing for a volume with content fails; the files and the mark stay.
    outage(driver)
    for (const checks of [2, 3, 4]) {
      await clock.advance(15_000)
      await eventually(() => assert.equal(driver.provider.mounts.length, checks))
      await eventually(async () => {
        const [status] = await driver.statuses()
        assert.match(status?.metadata.annotations?.['keymount.dev/last-failure'] ?? '', /vault-name-not-resolved/)
      })
    }
    assert.equal(await staleSince(driver), '2026-11-28T14:02:00Z')

    driver.provider.answer = undefined
    driver.provider.stale = undefined
    driver.provider.objects.set('foo', { content: 'new', version: 'v2' })
    await eventually(async () => {
      await clock.advance(5000)
      assert.equal(await staleSince(driver), undefined)
    })
    assert.equal(readFileSync(join(pod.targetPath, 'foo'), 'utf8'), 'new')
    assert.match(await driver.metrics(), /^stale_volumes\{.*class="web".*\} 0$/m)
    const asked = driver.provider.mounts.length
    await clock.advance(2 * minute)
    assert.equal(driver.provider.mounts.length, asked, 'a fresh volume waits for its interval')
    assert.equal((await staleEvents(driver)).length, 1)
  })

test('a restarted driver goes on asking for a volume with values from before an outage', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { flags: rotating, clock })
  driver.provider.stale = { since, reason }
  const pod = await driver.mountedPod({ name: 'web' })
  await driver.restart()
  driver.provider.stale = undefined
  await driver.publish(pod.request)
  await eventually(async () => {
    await clock.advance(5000)
    assert.equal(await staleSince(driver), undefined)
  })
})

test('a mounted volume never goes back to older values', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { flags: rotating, clock })
  driver.provider.objects.set('foo', { content: 'current', version: 'v2' })
  const pod = await driver.mountedPod({ name: 'web' })
  driver.provider.stale = { since, reason }
  driver.provider.objects.set('foo', { content: 'old', version: 'v1' })
  await clock.advance(10 * minute)
  await eventually(async () => {
    const [status] = await driver.statuses()
    assert.match(
      status?.metadata.annotations?.['keymount.dev/last-failure'] ?? '',
      /only values of 2026-11-28T14:02:00Z/,
    )
  })
  assert.equal(readFileSync(join(pod.targetPath, 'foo'), 'utf8'), 'current')
  assert.equal(await staleSince(driver), undefined)
})

const objects = `array:
  - |
    objectName: db
    objectType: secret
    objectAlias: app/db
    filePermission: "0440"
  - |
    objectName: extra
    objectType: secret
    optional: "true"
  - |
    objectName: port
    objectType: secret
`

/** A driver whose provider is called `azure`, as ours, and a pod of a class with `fallbackSecretName`. */
async function startWithFallback(
  t: Parameters<typeof startDriver>[0],
  overrides: Parameters<typeof startDriver>[1] = {},
) {
  const driver = await startDriver(t, overrides)
  const provider = await startFakeProvider(join(driver.root, 'providers'), 'azure')
  t.after(() => provider.stop())
  const azure: TestDriver = { ...driver, provider }
  await driver.createClass('shop', {
    provider: 'azure',
    parameters: { objects, keyvaultName: 'shop', fallbackSecretName: 'shop-fallback' },
  })
  const pod = await driver.pod({ className: 'shop' })
  return { driver: azure, pod, read: (path: string) => readFileSync(join(pod.targetPath, path), 'utf8') }
}

function createFallback(driver: TestDriver, data: Record<string, string>, annotations: Record<string, string> = {}) {
  return driver.kube.create(resources.secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'shop-fallback', namespace: 'default', annotations },
    stringData: data,
  })
}

const versions = { 'keymount.dev/versions': '{"secret/port":"2a","secret/db":"1f"}' }

test('a new volume is filled from the Secret of fallbackSecretName while the provider cannot answer, and gets the vault’s values afterwards', async (t) => {
  const clock = createManualClock()
  const { driver, pod, read } = await startWithFallback(t, { flags: rotating, clock })
  await createFallback(driver, { 'app.db': 'secret of the database', port: '5432', 'more.txt': 'x' }, versions)
  outage(driver)
  await driver.publish(pod.request)
  assert.deepEqual([read('app/db'), read('port'), read('more.txt')], ['secret of the database', '5432', 'x'])
  assert.equal(statSync(join(pod.targetPath, 'app/db')).mode & 0o777, 0o440)
  assert.equal(statSync(join(pod.targetPath, 'port')).mode & 0o777, 0o644)
  assert.equal(existsSync(join(pod.targetPath, 'extra')), false, 'an optional object')
  const [status] = await driver.statuses()
  assert.deepEqual(status?.status?.objects, [
    { id: 'secret/db', version: '1f' },
    { id: 'secret/port', version: '2a' },
  ])
  assert.match((await staleSince(driver)) ?? '', /^\d{4}-/)
  await eventually(async () => {
    const [event] = await staleEvents(driver)
    assert.match(
      event?.message ?? '',
      /because Secret "shop-fallback" \(fallbackSecretName\) .*\[vault-name-not-resolved\]/,
    )
    assert.equal(JSON.stringify(event).includes('secret of the database'), false)
  })

  driver.provider.answer = () => ({
    objectVersion: [{ id: 'secret/db', version: '3c' }],
    error: undefined,
    files: [{ path: 'app/db', mode: 0o440, contents: Buffer.from('fresh') }],
  })
  await clock.advance(15_000)
  await eventually(() => assert.equal(read('app/db'), 'fresh'))
  await eventually(async () => assert.equal(await staleSince(driver), undefined))
  assert.equal(existsSync(join(pod.targetPath, 'port')), false)
})

test('a Secret without recorded versions gives one version for each key', async (t) => {
  const { driver, pod } = await startWithFallback(t)
  const { metadata } = await createFallback(
    driver,
    { 'app.db': 'a', port: 'b' },
    { 'keymount.dev/versions': '{"broken' },
  )
  outage(driver)
  await driver.publish(pod.request)
  const [status] = await driver.statuses()
  const version = metadata.resourceVersion
  assert.deepEqual(status?.status?.objects, [
    { id: 'app.db', version },
    { id: 'port', version },
  ])
})

const passing = [
  ['[vault-timeout] vault shop does not answer', Code.DEADLINE_EXCEEDED],
  ['[entra-throttled] Entra asks for fewer sign-ins', Code.RESOURCE_EXHAUSTED],
  ['[vault-tls-failed] failed to get secret/a: x; [entra-unreachable] failed to get secret/b: y', Code.UNAVAILABLE],
] as const

for (const [text, code] of passing)
  test(`a passing reason lets the Secret fill a new volume: ${text}`, async (t) => {
    const { driver, pod, read } = await startWithFallback(t)
    await createFallback(driver, { 'app.db': 'a', port: 'b' })
    outage(driver, `failed to mount objects, error: ${text}`, code)
    await driver.publish(pod.request)
    assert.equal(read('port'), 'b')
  })

const refusals = [
  ['[vault-forbidden] the identity may not read it', Code.PERMISSION_DENIED],
  ['[vault-unauthorized] the vault refuses the token', Code.UNAUTHENTICATED],
  [
    '[vault-object-missing] failed to get objectType:secret, objectName:[vault-timeout], objectVersion:',
    Code.NOT_FOUND,
  ],
  ['[vault-object-disabled] disabled', Code.PERMISSION_DENIED],
  ['[entra-app-not-found] AADSTS700016', Code.UNAUTHENTICATED],
  ['[vault-timeout] failed to get secret/a: x; [vault-forbidden] failed to get secret/b: y', Code.UNAVAILABLE],
  ['[brand-new-code] something', Code.UNAVAILABLE],
  ['no code at all', Code.UNAVAILABLE],
] as const

for (const [text, code] of refusals)
  test(`a refusal, or what is not known to pass, starts no pod: ${text}`, async (t) => {
    const { driver, pod } = await startWithFallback(t)
    await createFallback(driver, { 'app.db': 'a', port: 'b' })
    outage(driver, `failed to mount objects, error: ${text}`, code)
    await assert.rejects(driver.publish(pod.request), { code })
    assert.equal(existsSync(pod.targetPath), false)
  })

test('a Secret that cannot be used is an error that names the parameter, and what is wrong with it', async (t) => {
  let answer: KubeError | undefined
  const kube = (client: KubeClient): KubeClient => ({
    ...client,
    get: (resource, ref, options) =>
      answer !== undefined && resource.plural === 'secrets'
        ? Promise.reject(answer)
        : client.get(resource, ref, options),
  })
  const { driver, pod } = await startWithFallback(t, { kube })
  outage(driver)
  const refused = (pattern: RegExp) =>
    assert.rejects(driver.publish(pod.request), { code: Code.UNAVAILABLE, details: pattern })
  await refused(
    /^\[fallback-secret-missing\] fallbackSecretName "shop-fallback": Secret "shop-fallback" of namespace "default" does not exist; .*\[vault-name-not-resolved\]/,
  )
  await createFallback(driver, { port: 'b' })
  await refused(/^\[fallback-secret-incomplete\] .*the Secret has no key "app\.db" for file "app\/db"; /)
  answer = new KubeError('GET …', { status: 403, reason: 'Forbidden' })
  await refused(/^\[fallback-secret-forbidden\] .*set the chart value syncSecret\.enabled/)
  answer = new KubeError('GET …', { status: 503, reason: 'ServiceUnavailable' })
  await refused(/^\[fallback-secret-unreadable\] /)
  assert.equal(existsSync(pod.targetPath), false)
})

test('pods of one namespace that need the Secret at once read it one after the other', async (t) => {
  let reading = 0
  let most = 0
  const kube = (client: KubeClient): KubeClient => ({
    ...client,
    async get(resource, ref, options) {
      if (resource.plural !== 'secrets') return await client.get(resource, ref, options)
      most = Math.max(most, ++reading)
      try {
        return await client.get(resource, ref, options)
      } finally {
        reading--
      }
    },
  })
  const { driver } = await startWithFallback(t, { kube })
  await createFallback(driver, { 'app.db': 'a', port: 'b' })
  outage(driver)
  const pods = await Promise.all(Array.from({ length: 12 }, () => driver.pod({ className: 'shop' })))
  await Promise.all(pods.map(({ request }) => driver.publish(request)))
  for (const { targetPath } of pods) assert.equal(readFileSync(join(targetPath, 'port'), 'utf8'), 'b')
  assert.equal(most, 1)
})

const excessive = {
  'more versions than a volume has files': Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`v${i}`, '1'])),
  'longer than 128 Ki characters': { ['v'.repeat(131_072)]: '1' },
}

for (const [what, recorded] of Object.entries(excessive))
  test(`recorded versions that the controller cannot have written count as none: ${what}`, async (t) => {
    const { driver, pod } = await startWithFallback(t)
    const annotations = { 'keymount.dev/versions': JSON.stringify(recorded) }
    await createFallback(driver, { 'app.db': 'a', port: 'b' }, annotations)
    outage(driver)
    await driver.publish(pod.request)
    const [status] = await driver.statuses()
    assert.deepEqual(
      status?.status?.objects?.map(({ id }) => id),
      ['app.db', 'port'],
    )
  })

test('a Secret with more keys than a volume may have files is refused', async (t) => {
  const { driver, pod } = await startWithFallback(t)
  const more = Object.fromEntries(Array.from({ length: 999 }, (_, i) => [`k${i}`, '']))
  await createFallback(driver, { 'app.db': 'a', port: 'b', ...more })
  outage(driver)
  await assert.rejects(driver.publish(pod.request), {
    code: Code.UNAVAILABLE,
    details: /^\[fallback-secret-too-large\] .*keys of a Secret .*: found 1,001, at most 1,000 are accepted; /,
  })
  assert.equal(existsSync(pod.targetPath), false)
})

test('a fallbackSecretName that cannot be the name of a Secret is refused with the class', async (t) => {
  const driver = await startDriver(t)
  const { request } = await driver.pod({ parameters: { fallbackSecretName: '../other/secret' } })
  await assert.rejects(driver.publish(request), {
    details: /\[class-invalid\] .*parameters\.fallbackSecretName: found/,
  })
})
