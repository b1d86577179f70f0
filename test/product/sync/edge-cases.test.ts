import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { status as Code } from '@grpc/grpc-js'
import { resources, type UntypedObject } from '#kubernetes/client'
import { until } from '../../support/eventually.ts'
import { type FakeProvider, ProviderFault } from '../../support/fake-provider.ts'
import { keysFrom, type SyncLab, startSyncLab } from './sync-lab.ts'

const db = [{ objectName: 'db', objectType: 'secret' }]
const at = (name: string) => ({ namespace: 'default', name })

async function classOf({ kube }: SyncLab, name: string, spec: object): Promise<void> {
  const apiVersion = 'secrets-store.csi.x-k8s.io/v1'
  await kube.create(resources.secretProviderClasses, {
    apiVersion,
    kind: 'SecretProviderClass',
    metadata: at(name),
    spec,
  })
}

function answering(provider: FakeProvider, files: Record<string, string>): void {
  provider.answer = () => ({
    objectVersion: [],
    error: undefined,
    files: Object.entries(files).map(([path, text]) => ({ path, mode: 0o644, contents: Buffer.from(text) })),
  })
}

/** A lab with a SecretSync `app-db` whose Secret is written. */
async function startWithSecret(t: TestContext): Promise<SyncLab> {
  const lab = await startSyncLab(t)
  await lab.azure.setSecret(lab.vault, 'db', 'x')
  await lab.createClass('app', db)
  lab.start()
  await lab.createSync('app-db')
  await lab.condition('app-db', 'Ready', 'True', 'SecretUpToDate')
  return lab
}

test('a class without parameters is one with none', async (t) => {
  const lab = await startSyncLab(t)
  answering(await lab.startFakeProvider('other'), { db: 'value' })
  await classOf(lab, 'app', { provider: 'other' })
  lab.start({ providerDirectories: [lab.fakeProviders] })
  await lab.createSync('app-db')
  await lab.condition('app-db', 'Ready', 'True', 'SecretUpToDate')
  assert.equal(await lab.value('app-db', 'password'), 'value')
})

test('a class of a provider that is not there is reported with those that are', async (t) => {
  const lab = await startSyncLab(t)
  await lab.startFakeProvider('other')
  await classOf(lab, 'app', { provider: 'aws' })
  lab.start({ providerDirectories: [lab.fakeProviders] })
  await lab.createSync('app-db')
  assert.equal(
    await lab.condition('app-db', 'Ready', 'False', 'SecretProviderClassMisconfigured'),
    `no provider "aws" answers in ${lab.fakeProviders}: there are other [provider-missing]`,
  )
})

test('a changed type is a condition that names what to do, and the Secret is made again once it is deleted', async (t) => {
  const lab = await startWithSecret(t)
  await lab.kube.patch(resources.secretSyncs, at('app-db'), { spec: { secretObject: { type: 'example.com/own' } } })
  assert.match(
    await lab.condition('app-db', 'Ready', 'False', 'ControllerPatchError'),
    /^failed to patch secret "app-db": .*type: .*immutable.*delete the Secret.*\[secret-type-changed\]$/s,
  )
  await lab.condition('app-db', 'SecretCreated', 'True', 'CreateSuccessful')
  await lab.kube.delete(resources.secrets, at('app-db'))
  await lab.condition('app-db', 'Ready', 'True', 'SecretUpToDate')
  assert.equal((await lab.secret('app-db'))?.type, 'example.com/own')
})

test('a SecretSync that is deleted and made again at once owns its Secret', async (t) => {
  const lab = await startWithSecret(t)
  await lab.kube.delete(resources.secretSyncs, at('app-db'))
  const { metadata } = await lab.createSync('app-db')
  await lab.condition('app-db', 'Ready', 'True', 'SecretUpToDate')
  await until('the Secret of the new one', async () => {
    const secret = await lab.secret('app-db')
    return secret?.metadata.ownerReferences?.[0]?.uid === metadata.uid
  })
})

test('a token that a provider refuses is not used again, and one that is merely slow keeps it', async (t) => {
  const lab = await startSyncLab(t)
  const provider = await lab.startFakeProvider('other')
  const tokenOf = (index: number) =>
    (JSON.parse(provider.mounts.at(index)?.attributes ?? '{}') as Record<string, string>)[
      'csi.storage.k8s.io/serviceAccount.tokens'
    ]
  await classOf(lab, 'app', { provider: 'other' })
  const fault = (code: Code) => () => {
    throw new ProviderFault(code, 'refused')
  }
  provider.answer = fault(Code.UNAVAILABLE)
  lab.start({ providerDirectories: [lab.fakeProviders] })
  await lab.createSync('app-db')
  await until('a second try', () => provider.mounts.length >= 2)
  assert.equal(tokenOf(1), tokenOf(0))
  provider.answer = fault(Code.UNAUTHENTICATED)
  const refused = provider.mounts.length
  await until('a try after the refusal', () => provider.mounts.length >= refused + 2)
  assert.notEqual(tokenOf(-1), tokenOf(0))
})

test('data larger than a Secret may be is refused before it is sent, with the sizes of its keys', async (t) => {
  const lab = await startSyncLab(t)
  answering(await lab.startFakeProvider('other'), { a: 'x'.repeat(700_000), b: 'y'.repeat(400_000) })
  await classOf(lab, 'app', { provider: 'other' })
  lab.start({ providerDirectories: [lab.fakeProviders] })
  await lab.createSync('large', keysFrom({ one: 'a', two: 'b' }))
  assert.equal(
    await lab.condition('large', 'Ready', 'False', 'ControllerPatchError'),
    'the Secret would be larger than the 1024 KiB that Kubernetes allows: one 704 KiB, two 448 KiB [secret-too-large]',
  )
})

test('reserved labels and annotations are refused by the controller too, where the definition has no rules', async (t) => {
  const lab = await startSyncLab(t)
  const name = 'secretsyncs.secret-sync.x-k8s.io'
  const { spec } = await lab.kube.get<UntypedObject>(resources.customResourceDefinitions, { name })
  const withoutRules = JSON.parse(
    JSON.stringify({ spec }, (key, value) => (key === 'x-kubernetes-validations' ? [] : value)),
  )
  await lab.kube.patch(resources.customResourceDefinitions, { name }, withoutRules)
  await lab.createClass('app', db)
  lab.start()
  const data = [{ sourcePath: 'db', targetKey: 'password' }]
  const key = 'secrets-store.sync.x-k8s.io/x'
  await lab.createSync('label', { secretObject: { data, labels: { [key]: 'y' } } })
  await lab.createSync('annotation', { secretObject: { data, annotations: { [key]: 'y' } } })
  const text = 'secrets-store.sync.x-k8s.io is reserved for use by the Secrets Store Sync Controller'
  const label = await lab.condition('label', 'Ready', 'False', 'InvalidClusterSecretLabelError')
  assert.equal(label, `label ${text}`)
  const annotation = await lab.condition('annotation', 'Ready', 'False', 'InvalidClusterSecretAnnotationError')
  assert.equal(annotation, `annotation ${text}`)
})

test('a class that names no identity takes that of the service account, and is refused where there is none', async (t) => {
  const lab = await startSyncLab(t)
  await lab.azure.setSecret(lab.vault, 'db', 'x')
  await lab.createClass('app', db, { clientID: '', tenantId: '' })
  lab.start()
  await lab.createSync('app-db')
  assert.match(
    await lab.condition('app-db', 'Ready', 'False', 'ControllerSyncError'),
    /^class "app" has no clientID, and a Secret without a pod is read by workload identity only: .*azure\.workload\.identity\/client-id.*\[workload-identity-only\]$/,
  )
  await lab.kube.patch(resources.serviceAccounts, at('app'), {
    metadata: {
      annotations: {
        'azure.workload.identity/client-id': lab.identity.clientId,
        'azure.workload.identity/tenant-id': lab.azure.administrator.tenantId,
      },
    },
  })
  await lab.kube.patch(resources.secretSyncs, at('app-db'), { spec: { forceSynchronization: 'now' } })
  await lab.condition('app-db', 'Ready', 'True', 'SecretUpToDate')
  assert.equal(await lab.value('app-db', 'password'), 'x')
})

test('pod identity is refused: it would look for a pod of the controller’s name', async (t) => {
  const lab = await startSyncLab(t)
  await lab.createClass('app', db, { usePodIdentity: 'true' })
  lab.start()
  await lab.createSync('app-db')
  const text = await lab.condition('app-db', 'Ready', 'False', 'ControllerSyncError')
  assert.match(text, /^class "app" has usePodIdentity, /)
})

test('an optional object that is not in the vault leaves its key out, and the condition and an event name it', async (t) => {
  const lab = await startSyncLab(t)
  await lab.azure.setSecret(lab.vault, 'db', 'x')
  await lab.createClass('app', [...db, { objectName: 'replica', objectType: 'secret', optional: true }])
  lab.start()
  await lab.createSync('app-db', keysFrom({ password: 'db', replica: 'replica' }))
  assert.equal(
    await lab.condition('app-db', 'Ready', 'True', 'SecretUpToDate'),
    'Secret contains last observed values. Left out, because optional and not in the vault: replica.',
  )
  assert.deepEqual(Object.keys((await lab.secret('app-db'))?.data ?? {}), ['password'])
  await until('the event', async () => (await lab.events('Synced')).some((text) => text.includes('vault: replica')))
  await lab.azure.setSecret(lab.vault, 'replica', 'y')
  await until('the key', async () => (await lab.value('app-db', 'replica')) === 'y')
  await until('the condition', async () => {
    const message = await lab.condition('app-db', 'Ready', 'True', 'SecretUpToDate')
    return message === 'Secret contains last observed values.'
  })
})

test('a Secret of which every key is optional and absent is not written empty', async (t) => {
  const lab = await startSyncLab(t)
  await lab.createClass('app', [{ objectName: 'replica', objectType: 'secret', optional: true }])
  lab.start()
  await lab.createSync('app-db', keysFrom({ replica: 'replica' }))
  assert.equal(
    await lab.reasonOfAbsence('app-db', 'RemoteSecretStoreFetchFailed'),
    'every key is of an optional object that is not in the vault: replica [secret-empty]',
  )
})
