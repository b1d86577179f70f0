import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import {
  isNotFound,
  type KubeClient,
  KubeError,
  type OwnerReference,
  type Resource,
  resources,
  type Secret,
} from '#kubernetes/client'
import { startDriver, type TestDriver } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const rotating = ['--enable-secret-rotation', '--rotation-poll-interval=2m']
/** One that exists, or the garbage collector would take its pods. */
async function replicaSet({ kube }: TestDriver, name: string): Promise<OwnerReference> {
  const metadata = { labels: { app: name } }
  const { metadata: made } = await kube.create(replicaSets, {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas: 0,
      selector: { matchLabels: metadata.labels },
      template: { metadata, spec: { containers: [{ name: 'app', image: 'busybox' }] } },
    },
  })
  return { apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid: made.uid ?? '' }
}
const replicaSets: Resource = {
  group: 'apps',
  version: 'v1',
  plural: 'replicasets',
  kind: 'ReplicaSet',
  namespaced: true,
}
const oneKey = (secretName: string, extra = {}) => [
  { secretName, type: 'Opaque', data: [{ objectName: 'foo', key: 'username' }], ...extra },
]
const secret = ({ kube }: TestDriver, name: string): Promise<Secret> =>
  kube.get(resources.secrets, { name, namespace: 'default' })
const text = ({ data }: Secret, key: string) => Buffer.from(data?.[key] ?? '', 'base64').toString('utf8')
const warnings = async (driver: TestDriver) =>
  (await driver.events()).filter(({ reason }) => reason === 'FailedToCreateSecret').map(({ message }) => message ?? '')

test('the Secret of a class exists when its first pod starts, and belongs to what made the pod', async (t) => {
  const driver = await startDriver(t)
  const owner = await replicaSet(driver, 'web')
  const labels = { environment: 'test' }
  const secretObjects = oneKey('foosecret', { labels, annotations: { 'kubed.appscode.com/sync': 'app=test' } })
  const pod = await driver.pod({
    ownerReferences: [{ ...owner, controller: true, blockOwnerDeletion: true }],
    secretObjects,
  })
  await driver.publish(pod.request)
  const found = await secret(driver, 'foosecret')
  assert.equal(found.type, 'Opaque')
  assert.equal(text(found, 'username'), 'secret')
  assert.deepEqual(found.metadata.labels, { environment: 'test', 'secrets-store.csi.k8s.io/managed': 'true' })
  assert.equal(found.metadata.annotations?.['kubed.appscode.com/sync'], 'app=test')
  assert.deepEqual(found.metadata.ownerReferences, [owner])
  assert.match(await driver.metrics(), /sync_k8s_secret_total\{os_type="linux",provider="e2e-provider".*\} 1/)
  assert.match(await driver.metrics(), /k8s_secret_duration_sec_count\{os_type="linux"/)
})

test('a Secret that pods of several owners share has each owner once; a bare pod owns by its status object', async (t) => {
  const driver = await startDriver(t)
  const [a, b] = [await replicaSet(driver, 'a'), await replicaSet(driver, 'b')]
  await driver.publish(
    (await driver.pod({ name: 'one', ownerReferences: [a], secretObjects: oneKey('shared') })).request,
  )
  for (const [name, owner] of [
    ['two', a],
    ['three', b],
  ] as const) {
    await driver.publish((await driver.pod({ name, className: 'one', ownerReferences: [owner] })).request)
  }
  await driver.publish((await driver.pod({ name: 'bare', className: 'one' })).request)
  const owners = (await secret(driver, 'shared')).metadata.ownerReferences ?? []
  const status = (await driver.statuses()).find(({ status: found }) => found?.podName === 'bare')
  assert.deepEqual(owners, [
    a,
    b,
    {
      apiVersion: 'secrets-store.csi.x-k8s.io/v1',
      kind: 'SecretProviderClassPodStatus',
      name: 'bare-default-one',
      uid: status?.metadata.uid,
    },
  ])
})

test('labels, annotations, keys and owners of others survive; keys that the class drops go', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { flags: rotating, clock })
  const data = [
    { objectName: 'foo', key: 'username' },
    { objectName: 'foo', key: 'password' },
  ]
  const pod = await driver.pod({ name: 'web', secretObjects: [{ secretName: 's', data }] })
  await driver.publish(pod.request)
  const ref = { name: 's', namespace: 'default' }
  const theirs = {
    labels: { theirs: 'l' },
    annotations: { theirs: 'a' },
    ownerReferences: [await replicaSet(driver, 'theirs')],
  }
  await driver.kube.patch(resources.secrets, ref, { metadata: theirs, data: { theirs: 'eA==' } }, { type: 'strategic' })
  driver.provider.objects.set('foo', { content: 'rotated', version: 'v2' })
  await driver.kube.patch(
    resources.secretProviderClasses,
    { name: 'web', namespace: 'default' },
    {
      spec: { secretObjects: oneKey('s') },
    },
  )
  await eventually(async () => {
    await clock.advance(2000)
    const found = await secret(driver, 's')
    assert.equal(text(found, 'username'), 'rotated')
    assert.deepEqual(Object.keys(found.data ?? {}).toSorted(), ['theirs', 'username'])
    assert.equal(found.metadata.labels?.theirs, 'l')
    assert.equal(found.metadata.annotations?.theirs, 'a')
    assert.equal(found.metadata.ownerReferences?.length, 2)
  })
})

test('an unchanged Secret is not written: its resourceVersion stays', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { flags: rotating, clock })
  await driver.publish((await driver.pod({ name: 'web', secretObjects: oneKey('s') })).request)
  const before = (await secret(driver, 's')).metadata.resourceVersion
  for (let i = 0; i < 5; i++) await clock.advance(120_000)
  await eventually(() => assert.ok(driver.provider.mounts.length > 2))
  assert.equal((await secret(driver, 's')).metadata.resourceVersion, before)
})

test('a rotated value reaches the Secret within the interval', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { flags: rotating, clock })
  await driver.publish((await driver.pod({ secretObjects: oneKey('s') })).request)
  driver.provider.objects.set('foo', { content: 'rotated', version: 'v1' })
  await clock.advance(120_000)
  await eventually(async () => {
    await clock.advance(100)
    assert.equal(text(await secret(driver, 's'), 'username'), 'rotated')
  })
})

test('a Secret that somebody deletes is made again, also by a driver that was restarted', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { clock })
  await driver.publish((await driver.pod({ secretObjects: oneKey('s') })).request)
  for (const restart of [false, true]) {
    if (restart) await driver.restart()
    await driver.kube.delete(resources.secrets, { name: 's', namespace: 'default' })
    await assert.rejects(secret(driver, 's'), isNotFound)
    await eventually(async () => {
      await clock.advance(300_000)
      assert.equal(text(await secret(driver, 's'), 'username'), 'secret')
    })
  }
})

test('a Secret that is not ours is refused with an event, and the pod starts', async (t) => {
  const driver = await startDriver(t)
  await driver.kube.create(resources.secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'precious', namespace: 'default' },
    data: { username: 'eA==' },
  })
  await driver.publish((await driver.pod({ secretObjects: oneKey('precious') })).request)
  assert.equal(text(await secret(driver, 'precious'), 'username'), 'x')
  assert.match((await warnings(driver))[0] ?? '', /"precious".*not managed by the driver/)
})

test('two classes of one Secret do not write in turn: the class of the pod that started last has it', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { flags: rotating, clock })
  driver.provider.objects.set('bar', { content: 'of the second', version: '1' })
  await driver.publish((await driver.pod({ name: 'first', secretObjects: oneKey('s') })).request)
  const data = [{ objectName: 'bar', key: 'username' }]
  await driver.publish(
    (await driver.pod({ name: 'second', objects: ['bar'], secretObjects: [{ secretName: 's', data }] })).request,
  )
  const before = await secret(driver, 's')
  assert.equal(text(before, 'username'), 'of the second')
  for (let i = 0; i < 3; i++) await clock.advance(120_000)
  await eventually(() => assert.ok(driver.provider.mounts.length >= 4))
  assert.equal((await secret(driver, 's')).metadata.resourceVersion, before.metadata.resourceVersion)
})

test('every entry that cannot be made is told, the others are made', async (t) => {
  const driver = await startDriver(t)
  const data = [{ objectName: 'foo', key: 'k' }]
  await driver.publish(
    (
      await driver.pod({
        secretObjects: [
          { secretName: 'token', type: 'kubernetes.io/service-account-token', data },
          { secretName: 'boot', type: 'bootstrap.kubernetes.io/token', data },
          { type: 'Opaque', data },
          { secretName: 'no-data' },
          { secretName: 'no-such-file', data: [{ objectName: 'absent', key: 'k' }] },
          { secretName: 'not-tls', type: 'kubernetes.io/tls', data: [{ objectName: 'foo', key: 'tls.crt' }] },
          { secretName: 'odd-tls', type: 'kubernetes.io/tls', data: [{ objectName: 'foo', key: 'other' }] },
          { secretName: ' good ', type: ' ', data: [{ objectName: ' foo ', key: ' k ' }] },
        ],
      })
    ).request,
  )
  assert.equal((await secret(driver, 'good')).type, 'Opaque')
  const told = (await warnings(driver)).join('\n')
  for (const says of [
    /service-account-token is not allowed/,
    /bootstrap.kubernetes.io\/token is not allowed/,
    /entry "": secretName: missing/,
    /"no-data": data: missing/,
    /"absent" is not a file of the volume; found: foo/,
    /"foo" holds no certificate: it is neither PEM nor a PFX/,
    /a kubernetes.io\/tls Secret has tls.crt, tls.key, ca.crt/,
  ])
    assert.match(told, says)
  assert.equal((await driver.kube.list(resources.secrets, { namespace: 'default' })).items.length, 1)
})

for (const [kind, label] of [
  ['rsa', 'RSA PRIVATE KEY'],
  ['ec', 'EC PRIVATE KEY'],
  ['ed25519', 'PRIVATE KEY'],
] as const) {
  test(`a TLS Secret takes the ${kind} key and the chain out of one PEM file`, async (t) => {
    const driver = await startDriver(t)
    const { privateKey } =
      kind === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : kind === 'ec'
          ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
          : generateKeyPairSync('ed25519')
    const certificate = (body: string) => `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8' })
    driver.provider.objects.set('bundle', {
      content: `${pem}noise\n${certificate('AAAA')}${certificate('BBBB')}`,
      version: '1',
    })
    const data = [
      { objectName: 'bundle', key: 'tls.crt' },
      { objectName: 'bundle', key: 'tls.key' },
    ]
    const pod = await driver.pod({
      objects: ['bundle'],
      secretObjects: [{ secretName: 'tls', type: 'kubernetes.io/tls', data }],
    })
    await driver.publish(pod.request)
    const found = await secret(driver, 'tls')
    assert.equal(text(found, 'tls.crt'), certificate('AAAA') + certificate('BBBB'))
    assert.match(text(found, 'tls.key'), new RegExp(`^-----BEGIN ${label}-----\n`))
  })
}

const forbidden = (what: string) => new KubeError(`${what} is forbidden`, { status: 403, reason: 'Forbidden' })
for (const [what, refuse] of [
  [
    'read pods',
    (client: KubeClient): KubeClient => ({
      ...client,
      get: (resource, ref) =>
        resource.plural === 'pods' ? Promise.reject(forbidden('pods')) : client.get(resource, ref),
    }),
  ],
  [
    'write Secrets',
    (client: KubeClient): KubeClient => ({ ...client, apply: () => Promise.reject(forbidden('secrets')) }),
  ],
] as const) {
  test(`a driver that may not ${what} says how to allow it, and mounts`, async (t) => {
    const driver = await startDriver(t, { kube: refuse })
    const pod = await driver.pod({ secretObjects: oneKey('s') })
    await driver.publish(pod.request)
    assert.match((await warnings(driver))[0] ?? '', /installed without syncSecret\.enabled=true.* is forbidden/)
  })
}
