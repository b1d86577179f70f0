import assert from 'node:assert/strict'
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
import { rotating, startDriver, startRotatingDriver, type TestDriver } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'
import { createManualClock } from '../../support/manual-clock.ts'

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
    await driver.mountedPod({ name, className: 'one', ownerReferences: [owner] })
  }
  await driver.mountedPod({ name: 'bare', className: 'one' })
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
  const { driver, clock } = await startRotatingDriver(t)
  const data = [
    { objectName: 'foo', key: 'username' },
    { objectName: 'foo', key: 'password' },
  ]
  await driver.mountedPod({ name: 'web', secretObjects: [{ secretName: 's', data }] })
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
  const { driver, clock } = await startRotatingDriver(t)
  await driver.mountedPod({ name: 'web', secretObjects: oneKey('s') })
  const before = (await secret(driver, 's')).metadata.resourceVersion
  for (let i = 0; i < 5; i++) await clock.advance(120_000)
  await eventually(() => assert.ok(driver.provider.mounts.length > 2))
  assert.equal((await secret(driver, 's')).metadata.resourceVersion, before)
})

test('a rotated value reaches the Secret within the interval', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  await driver.mountedPod({ secretObjects: oneKey('s') })
  driver.provider.objects.set('foo', { content: 'rotated', version: 'v1' })
  await clock.advance(120_000)
  await eventually(async () => {
    await clock.advance(100)
    assert.equal(text(await secret(driver, 's'), 'username'), 'rotated')
  })
})

test('a Secret that a user deletes is made again, also by a driver that was restarted', async (t) => {
  const clock = createManualClock()
  const driver = await startDriver(t, { clock })
  await driver.mountedPod({ secretObjects: oneKey('s') })
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

test('the Secret of a bare pod belongs to its new status object when the old one was deleted, and stays', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  await driver.mountedPod({ name: 'bare', secretObjects: oneKey('s') })
  const [first] = await driver.statuses()
  const ref = { name: first?.metadata.name ?? '', namespace: 'default' }
  await driver.kube.delete(resources.secretProviderClassPodStatuses, ref)
  driver.provider.objects.set('foo', { content: 'rotated', version: 'v2' })
  await clock.advance(120_000)
  const [second] = await eventually(async () => {
    await clock.advance(100)
    const found = await driver.statuses()
    assert.equal(found.length, 1)
    return found
  })
  assert.notEqual(second?.metadata.uid, first?.metadata.uid)
  await eventually(async () => {
    await clock.advance(120_000)
    const { metadata, data } = await secret(driver, 's')
    assert.deepEqual(
      metadata.ownerReferences?.map(({ uid }) => uid),
      [second?.metadata.uid],
    )
    assert.equal(Buffer.from(data?.username ?? '', 'base64').toString('utf8'), 'rotated')
  })
})

/** A Secret that is not the driver's. */
async function createForeign({ kube }: TestDriver, fields: { type?: string } = {}): Promise<void> {
  await kube.create(resources.secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'precious', namespace: 'default' },
    data: { username: 'eA==' },
    ...fields,
  })
}

test('a Secret that is not ours is refused with an event, and the pod starts', async (t) => {
  const driver = await startDriver(t)
  await createForeign(driver)
  await driver.mountedPod({ secretObjects: oneKey('precious') })
  assert.equal(text(await secret(driver, 'precious'), 'username'), 'x')
  assert.match((await warnings(driver))[0] ?? '', /"precious".*not managed by the driver/)
})

test('two classes of one Secret do not write in turn: the class of the pod that started last has it', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  driver.provider.objects.set('bar', { content: 'of the second', version: '1' })
  await driver.mountedPod({ name: 'first', secretObjects: oneKey('s') })
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

test('every entry that cannot be made is reported, the others are made', async (t) => {
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
  const reported = (await warnings(driver)).join('\n')
  for (const message of [
    /service-account-token is not allowed/,
    /bootstrap.kubernetes.io\/token is not allowed/,
    /entry "": secretName: missing/,
    /"no-data": data: missing/,
    /"absent" is not a file of the volume; found: foo/,
    /"foo" cannot be read as PEM or as a PFX without a password/,
    /a kubernetes.io\/tls Secret has tls.crt, tls.key, ca.crt/,
  ])
    assert.match(reported, message)
  assert.equal((await driver.kube.list(resources.secrets, { namespace: 'default' })).items.length, 1)
})

const forbidden = (message: string) => new KubeError(message, { status: 403, reason: 'Forbidden' })
const rbac = (verb: string, resource: string) =>
  forbidden(
    `${resource} "s" is forbidden: User "system:serviceaccount:kube-system:secrets-store-csi-driver" cannot ${verb} resource "${resource}" in API group "" in the namespace "default"`,
  )

/** A client whose writes and reads of a kind `refuse` may refuse. */
function refusing(
  refuse: (verb: 'get' | 'apply' | 'patch' | 'delete', plural: string, body: unknown) => KubeError | undefined,
): (client: KubeClient) => KubeClient {
  return (client) => {
    const pass = <T>(error: KubeError | undefined, call: () => Promise<T>) =>
      error === undefined ? call() : Promise.reject(error)
    return {
      ...client,
      get: (resource, ref, options) =>
        pass(refuse('get', resource.plural, undefined), () => client.get(resource, ref, options)),
      apply: (resource, object, options) =>
        pass(refuse('apply', resource.plural, object), () => client.apply(resource, object, options)),
      patch: (resource, ref, body, options) =>
        pass(refuse('patch', resource.plural, body), () => client.patch(resource, ref, body, options)),
      delete: (resource, ref, options) =>
        pass(refuse('delete', resource.plural, undefined), () => client.delete(resource, ref, options)),
    }
  }
}

for (const plural of ['pods', 'secrets']) {
  test(`a driver without the right to read ${plural} names the setting that gives it, and mounts`, async (t) => {
    const kube = refusing((verb, of) => (verb === 'get' && of === plural ? rbac('get', plural) : undefined))
    const driver = await startDriver(t, { kube })
    await driver.mountedPod({ secretObjects: oneKey('s') })
    assert.match(
      (await warnings(driver))[0] ?? '',
      /may not write Secrets here; set syncSecret\.enabled=true.* cannot get resource/,
    )
  })
}

for (const [what, error, message] of [
  [
    'an admission plug-in',
    forbidden('secrets "s" is forbidden: exceeded quota: few, requested: secrets=1'),
    /exceeded quota/,
  ],
  [
    'a webhook',
    forbidden('admission webhook "policy.example.com" denied the request: no Secrets here'),
    /policy\.example\.com/,
  ],
  ['an older role', rbac('patch', 'secrets'), /the driver's role has no right to patch secrets/],
] as const) {
  test(`a Secret that ${what} refuses is reported with the reason, and no setting is blamed`, async (t) => {
    const driver = await startDriver(t, { kube: refusing((verb) => (verb === 'apply' ? error : undefined)) })
    await driver.mountedPod({ secretObjects: oneKey('s') })
    const [warning = ''] = await warnings(driver)
    assert.match(warning, message)
    assert.doesNotMatch(warning, /syncSecret/)
  })
}

test('owners are set when a Secret is created: where changing those of an existing one is refused, as on OpenShift, it has them', async (t) => {
  const kube = refusing((verb, plural, body) => {
    const { ownerReferences } = ((body ?? {}) as Secret).metadata ?? {}
    const isChange = plural === 'secrets' && verb === 'patch' && ownerReferences !== undefined
    return isChange
      ? forbidden(`secrets "s" is forbidden: cannot set an ownerRef on a resource you can't delete: , <nil>`)
      : undefined
  })
  const clock = createManualClock()
  const driver = await startDriver(t, { flags: rotating, clock, kube })
  const owner = await replicaSet(driver, 'web')
  await driver.mountedPod({ name: 'web', ownerReferences: [owner], secretObjects: oneKey('s') })
  assert.deepEqual((await secret(driver, 's')).metadata.ownerReferences, [owner])
  assert.deepEqual(await warnings(driver), [])
  driver.provider.objects.set('foo', { content: 'rotated', version: 'v2' })
  await clock.advance(120_000)
  await eventually(async () => {
    await clock.advance(100)
    assert.equal(text(await secret(driver, 's'), 'username'), 'rotated')
  })
  assert.deepEqual((await secret(driver, 's')).metadata.ownerReferences, [owner], 'a rotation does not lose the owner')
  assert.deepEqual(await warnings(driver), [])
})

test('two entries of one secretName are refused with an event that names both, and other entries are written', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const entry = (secretName: string, key: string) => ({ secretName, data: [{ objectName: 'foo', key }] })
  await driver.mountedPod({
    secretObjects: [entry('twice', 'A'), entry('once', 'C'), entry(' twice ', 'B')],
  })
  assert.equal(text(await secret(driver, 'once'), 'C'), 'secret')
  await assert.rejects(secret(driver, 'twice'), isNotFound)
  assert.match(
    (await warnings(driver)).join('\n'),
    /Secret "twice": secretObjects\[0\] and secretObjects\[2\] have the same secretName/,
  )
  for (let i = 0; i < 3; i++) await clock.advance(120_000)
  await assert.rejects(secret(driver, 'twice'), isNotFound)
})

test('one key twice in an entry is refused with an event that names both rows', async (t) => {
  const driver = await startDriver(t)
  const data = [
    { objectName: 'foo', key: 'A' },
    { objectName: 'fookey', key: 'A' },
  ]
  await driver.mountedPod({ objects: ['foo', 'fookey'], secretObjects: [{ secretName: 's', data }] })
  await assert.rejects(secret(driver, 's'), isNotFound)
  assert.match((await warnings(driver))[0] ?? '', /entry "s": data\[1\]\.key: "A" is the key of data\[0\] already/)
})

test('more secretObjects than the limit are refused with an event, and the pod starts', async (t) => {
  const driver = await startDriver(t)
  const secretObjects = Array.from({ length: 101 }, (_, i) => oneKey(`s${i}`)[0] ?? {})
  await driver.mountedPod({ secretObjects })
  assert.match((await warnings(driver))[0] ?? '', /secretObjects of a class: found 101, at most 100 are accepted/)
  assert.deepEqual((await driver.kube.list(resources.secrets, { namespace: 'default' })).items, [])
})

test('a key is kept and dropped whatever it is called, __proto__ and constructor too', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const keys = ['__proto__', 'constructor', 'plain']
  const entry = (some: readonly string[]) => [
    { secretName: 's', data: some.map((key) => ({ objectName: 'foo', key })) },
  ]
  await driver.mountedPod({ name: 'web', secretObjects: entry(keys) })
  assert.deepEqual(Object.keys((await secret(driver, 's')).data ?? {}).toSorted(), keys.toSorted())
  const spec = { secretObjects: entry(['plain']) }
  await driver.kube.patch(resources.secretProviderClasses, { name: 'web', namespace: 'default' }, { spec })
  await eventually(async () => {
    await clock.advance(2000)
    assert.deepEqual(Object.keys((await secret(driver, 's')).data ?? {}), ['plain'])
  })
})

test('a Secret whose type the class changes is made again with its owners, because Kubernetes keeps the type', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const owners = [await replicaSet(driver, 'web'), await replicaSet(driver, 'of-another-node')]
  await driver.mountedPod({ name: 'web', ownerReferences: owners.slice(0, 1), secretObjects: oneKey('s') })
  const ref = { name: 's', namespace: 'default' }
  await driver.kube.patch(
    resources.secrets,
    ref,
    { metadata: { ownerReferences: owners.slice(1) } },
    { type: 'strategic' },
  )
  const secretObjects = oneKey('s', { type: 'example.com/other' })
  const spec = { secretObjects }
  await driver.kube.patch(resources.secretProviderClasses, { name: 'web', namespace: 'default' }, { spec })
  await eventually(async () => {
    await clock.advance(2000)
    assert.equal((await secret(driver, 's')).type, 'example.com/other')
  })
  const found = await secret(driver, 's')
  assert.equal(text(found, 'username'), 'secret')
  assert.deepEqual(
    new Set(found.metadata.ownerReferences?.map(({ uid }) => uid)),
    new Set(owners.map(({ uid }) => uid)),
  )
  assert.deepEqual(await warnings(driver), [])
})

test('a Secret of another type that is not ours is not deleted', async (t) => {
  const driver = await startDriver(t)
  await createForeign(driver, { type: 'example.com/theirs' })
  await driver.mountedPod({ secretObjects: oneKey('precious') })
  assert.equal((await secret(driver, 'precious')).type, 'example.com/theirs')
})
