import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printClassChange, resources } from '#kubernetes/client'
import { changedAttribute, intervalAttribute, maxAgeAttribute } from '#kubernetes/provider-protocol'
import { until } from '../../support/eventually.ts'
import { keysFrom, startSyncLab } from './sync-lab.ts'

const change = { at: Date.now(), seen: Date.now(), objects: ['*'], spreadSeconds: 0, signInSpreadSeconds: 0 }

const db = [{ objectName: 'db', objectType: 'secret' }]

test('a SecretSync becomes a Secret without any pod, follows the vault, and goes with the SecretSync', async (t) => {
  const lab = await startSyncLab(t)
  await lab.azure.setSecret(lab.vault, 'db', 'first')
  await lab.createClass('app', db)
  lab.start()
  const { metadata } = await lab.createSync('app-db', {
    secretObject: { type: 'Opaque', data: [{ sourcePath: 'db', targetKey: 'password' }], labels: { team: 'a' } },
  })
  await lab.condition('app-db', 'Ready', 'True', 'SecretUpToDate')
  const secret = await lab.secret('app-db')
  assert.equal(await lab.value('app-db', 'password'), 'first')
  assert.equal(secret?.type, 'Opaque')
  assert.deepEqual(secret?.metadata.labels, { team: 'a', 'secrets-store.sync.x-k8s.io': '' })
  assert.deepEqual(secret?.metadata.ownerReferences, [
    { apiVersion: 'secret-sync.x-k8s.io/v1alpha1', kind: 'SecretSync', name: 'app-db', uid: metadata.uid },
  ])
  const { status } = await lab.sync('app-db')
  assert.match(status?.syncHash ?? '', /^v1:[0-9a-f]{64}$/)
  assert.deepEqual(
    status?.conditions?.map(({ type, status: is, reason, message, observedGeneration }) => [
      type,
      is,
      reason,
      message,
      observedGeneration,
    ]),
    [
      ['SecretCreated', 'True', 'CreateSuccessful', 'Secret created successfully.', 1],
      ['SecretUpdated', 'True', 'SecretUpToDate', 'Secret contains last observed values.', 1],
      ['Ready', 'True', 'SecretUpToDate', 'Secret contains last observed values.', 1],
    ],
  )

  await lab.azure.setSecret(lab.vault, 'db', 'second')
  await until('the Secret to follow', async () => (await lab.value('app-db', 'password')) === 'second')

  await lab.kube.delete(resources.secrets, { namespace: 'default', name: 'app-db' })
  await until('the Secret to come back', async () => (await lab.value('app-db', 'password')) === 'second')

  await lab.kube.delete(resources.secretSyncs, { namespace: 'default', name: 'app-db' })
  await until('the Secret to go', async () => (await lab.secret('app-db')) === undefined)
})

test('the Secret that a class names as its fallback has the versions of its objects, which a volume filled from it reports', async (t) => {
  const lab = await startSyncLab(t)
  await lab.azure.setSecret(lab.vault, 'db', 'first')
  await lab.createClass('app', db, { fallbackSecretName: 'app-fallback' })
  lab.start()
  const data = [{ sourcePath: 'db', targetKey: 'db' }]
  for (const name of ['app-fallback', 'app-other'])
    await lab.createSync(name, { secretObject: { type: 'Opaque', data, annotations: { team: 'a' } } })
  const annotationsOf = async (name: string) => {
    await lab.condition(name, 'Ready', 'True', 'SecretUpToDate')
    return (await lab.secret(name))?.metadata.annotations ?? {}
  }
  const { team, 'keymount.dev/versions': versions = '' } = await annotationsOf('app-fallback')
  assert.equal(team, 'a')
  assert.deepEqual(Object.keys(JSON.parse(versions)), ['secret/db'])
  assert.deepEqual(await annotationsOf('app-other'), { team: 'a' })
})

test('what fails is a condition in upstream’s words, and heals by itself', async (t) => {
  const lab = await startSyncLab(t)
  lab.start()
  await lab.createSync('early')
  assert.equal(
    await lab.condition('early', 'SecretUpdated', 'False', 'SecretProviderClassMisconfigured'),
    'failed to get SecretProviderClass "app": secretproviderclass.secrets-store.csi.x-k8s.io "app" not found',
  )
  assert.equal(
    await lab.condition('early', 'SecretCreated', 'False', 'SecretProviderClassMisconfigured'),
    'failed to get SecretProviderClass "app": SecretProviderClass.secrets-store.csi.x-k8s.io "app" not found',
  )
  await lab.createClass('app', db)
  const missing = await lab.condition('early', 'Ready', 'False', 'ProviderError')
  assert.match(missing, /^fetching secrets from the provider failed: .*db.*SecretNotFound/s)
  await lab.azure.setSecret(lab.vault, 'db', 'here')
  await lab.condition('early', 'Ready', 'True', 'SecretUpToDate')
  assert.equal(await lab.value('early', 'password'), 'here')
})

test('a source path that the provider does not give is named, with those that it gives', async (t) => {
  const lab = await startSyncLab(t)
  await lab.azure.setSecret(lab.vault, 'db', 'x')
  await lab.createClass('app', db)
  lab.start()
  await lab.createSync('wrong', keysFrom({ password: 'database' }))
  assert.equal(
    await lab.reasonOfAbsence('wrong', 'RemoteSecretStoreFetchFailed'),
    'sourcePath "database" is not a file of the provider\'s response; it has: db [source-path-missing]',
  )
})

test('a service account that does not exist is named', async (t) => {
  const lab = await startSyncLab(t)
  await lab.createClass('app', db)
  lab.start()
  await lab.createSync('no-account', { serviceAccountName: 'missing' })
  assert.equal(
    await lab.condition('no-account', 'Ready', 'False', 'ControllerSyncError'),
    'service account "missing" does not exist in namespace "default" [service-account-missing]',
  )
})

test('a SecretSync that names another controller is left alone', async (t) => {
  const lab = await startSyncLab(t)
  await lab.azure.setSecret(lab.vault, 'db', 'x')
  await lab.createClass('app', db)
  await lab.createSync('theirs', { secretSyncControllerName: 'theirs' })
  await lab.createSync('mine', { secretSyncControllerName: 'ours' })
  lab.start()
  await lab.condition('mine', 'Ready', 'True', 'SecretUpToDate')
  assert.equal((await lab.sync('theirs')).status, undefined)
  assert.equal(await lab.secret('theirs'), undefined)
})

test('nothing is written at rest: no status, no event, no version of the Secret', async (t) => {
  const lab = await startSyncLab(t)
  await lab.azure.setSecret(lab.vault, 'db', 'x')
  await lab.createClass('app', db)
  lab.start({ intervalMs: 1000 })
  await lab.createSync('calm')
  await lab.condition('calm', 'Ready', 'True', 'SecretUpToDate')
  const reads = () => Number(/^secretsync_provider_reads_total (\d+)$/m.exec(lab.metrics.text())?.[1] ?? 0)
  const settled = reads()
  await until('a check that changes nothing', async () => reads() > settled + 1)
  const before = [await lab.sync('calm'), await lab.secret('calm')].map((one) => one?.metadata.resourceVersion)
  const then = reads()
  await until('more checks', async () => reads() > then + 2)
  const after = [await lab.sync('calm'), await lab.secret('calm')].map((one) => one?.metadata.resourceVersion)
  assert.deepEqual(after, before)
})

test('a certificate becomes a TLS Secret, by its type or by the paths NAME/tls.crt and NAME/tls.key', async (t) => {
  const lab = await startSyncLab(t)
  const policy = {
    issuer: { name: 'Self' },
    x509_props: { subject: 'CN=web', validity_months: 12 },
    key_props: { kty: 'RSA', key_size: 2048, exportable: true },
    secret_props: { contentType: 'application/x-pkcs12' },
  }
  await lab.callVault(lab.vault, 'POST', '/certificates/web/create', { policy })
  await until('the certificate', async () => {
    const { status } = await lab.callVault(lab.vault, 'GET', '/certificates/web/pending')
    return status === 'completed'
  })
  await lab.createClass('app', [{ objectName: 'web', objectType: 'secret' }])
  lab.start()
  const data = (a: string, b: string) => [
    { sourcePath: a, targetKey: 'tls.crt' },
    { sourcePath: b, targetKey: 'tls.key' },
  ]
  await lab.createSync('by-type', { secretObject: { type: 'kubernetes.io/tls', data: data('web', 'web') } })
  await lab.createSync('by-path', { secretObject: { type: 'Opaque', data: data('web/tls.crt', 'web/tls.key') } })
  for (const name of ['by-type', 'by-path']) {
    await lab.condition(name, 'Ready', 'True', 'SecretUpToDate')
    assert.match((await lab.value(name, 'tls.crt')) ?? '', /^-----BEGIN CERTIFICATE-----/)
    assert.match((await lab.value(name, 'tls.key')) ?? '', /^-----BEGIN (RSA )?PRIVATE KEY-----/)
  }
})

test('an edited class reaches the Secret at once, and so does the annotation that asks for a rotation', async (t) => {
  const lab = await startSyncLab(t)
  await lab.azure.setSecret(lab.vault, 'db', 'one')
  await lab.azure.setSecret(lab.vault, 'other', 'two')
  await lab.createClass('app', db)
  lab.start({ intervalMs: 3_600_000 })
  await lab.createSync('app-db')
  await lab.condition('app-db', 'Ready', 'True', 'SecretUpToDate')
  const objects = '- {objectName: other, objectType: secret, objectAlias: db}'
  const ref = { namespace: 'default', name: 'app' }
  await lab.kube.patch(resources.secretProviderClasses, ref, { spec: { parameters: { objects } } })
  await until('the new object', async () => (await lab.value('app-db', 'password')) === 'two')
  await lab.azure.setSecret(lab.vault, 'other', 'three')
  await lab.kube.patch(resources.secretProviderClasses, ref, {
    metadata: { annotations: { 'keymount.dev/rotate': 'now' } },
  })
  await until('the new value', async () => (await lab.value('app-db', 'password')) === 'three')
  await lab.azure.setSecret(lab.vault, 'other', 'four')
  const annotations = { 'keymount.dev/changed': printClassChange({ ...change, id: 'event-1' }) }
  await lab.kube.patch(resources.secretProviderClasses, ref, { metadata: { annotations } })
  await until('the change in the vault', async () => (await lab.value('app-db', 'password')) === 'four')
})

test('a change in the vault that a class reports needs a read after it: what the provider shares may be older', async (t) => {
  const lab = await startSyncLab(t)
  const provider = await lab.startFakeProvider('other')
  provider.answer = () => ({
    objectVersion: [{ id: 'secret/db', version: '1' }],
    files: [{ path: 'db', mode: 0o644, contents: Buffer.from('value') }],
    error: undefined,
  })
  await lab.kube.create(resources.secretProviderClasses, {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClass',
    metadata: { namespace: 'default', name: 'app' },
    spec: {
      provider: 'other',
      parameters: {
        ...{ objects: 'db', clientID: 'x', tenantID: 'x' },
        ...{ [changedAttribute]: '["*"]', [maxAgeAttribute]: '987654321', [intervalAttribute]: '987654321' },
      },
    },
  })
  lab.start({ providerDirectories: [lab.fakeProviders], intervalMs: 3_600_000 })
  await lab.createSync('app-db')
  await lab.condition('app-db', 'Ready', 'True', 'SecretUpToDate')
  const before = provider.mounts.length
  const annotations = { 'keymount.dev/changed': printClassChange({ ...change, id: 'event-1' }) }
  const ref = { namespace: 'default', name: 'app' }
  await lab.kube.patch(resources.secretProviderClasses, ref, { metadata: { annotations } })
  await until('a further read', () => provider.mounts.length > before)
  const sent = JSON.parse(provider.mounts.at(-1)?.attributes ?? '{}') as Record<string, string>
  const age = Number(sent[maxAgeAttribute])
  assert.ok(age >= 0 && age < 5000, `${age} ms: less than a provider shares its reads`)
  assert.equal(sent[changedAttribute], undefined, 'that of the class itself')
  assert.ok(!provider.mounts.some(({ attributes }) => attributes.includes('987654321')), 'those of the class itself')
})

test('a Secret of that name that has another owner is never adopted', async (t) => {
  const lab = await startSyncLab(t)
  await lab.azure.setSecret(lab.vault, 'db', 'x')
  await lab.createClass('app', db)
  const metadata = { namespace: 'default', name: 'taken' }
  await lab.kube.apply(
    resources.secrets,
    { apiVersion: 'v1', kind: 'Secret', metadata, type: 'Opaque', data: { password: 'bWluZQ==' } },
    { fieldManager: 'helm' },
  )
  lab.start()
  await lab.createSync('taken')
  assert.match(
    await lab.condition('taken', 'Ready', 'False', 'ControllerPatchError'),
    /^failed to patch secret "taken": .*conflict.*helm.*\[secret-conflict\]$/s,
  )
  assert.equal(await lab.value('taken', 'password'), 'mine')
})
