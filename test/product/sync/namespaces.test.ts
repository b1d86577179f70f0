import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resources } from '#kubernetes/client'
import { until } from '../../support/eventually.ts'
import { type SyncLab, startSyncLab } from './sync-lab.ts'

/** Which SecretSyncs a controller works for. */

async function createNamespace({ kube }: SyncLab, name: string, labels: Record<string, string> = {}): Promise<void> {
  await kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } })
  const metadata = { name: 'app', namespace: name }
  await kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata })
  await kube.create(resources.secretProviderClasses, {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClass',
    metadata,
    spec: { provider: 'other' },
  })
}

async function startWithProvider(t: Parameters<typeof startSyncLab>[0]): Promise<SyncLab> {
  const lab = await startSyncLab(t)
  const provider = await lab.startFakeProvider('other')
  const files = [{ path: 'db', mode: 0o644, contents: Buffer.from('value') }]
  provider.answer = () => ({ objectVersion: [], error: undefined, files })
  return lab
}

async function isReady({ kube }: SyncLab, namespace: string): Promise<boolean> {
  const { status } = await kube.get(resources.secretSyncs, { namespace, name: 'app-db' })
  return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true
}

test('with --namespaces only these are worked on, and the list of one does not disturb another', async (t) => {
  const lab = await startWithProvider(t)
  for (const name of ['a', 'b', 'c']) await createNamespace(lab, name)
  for (const name of ['a', 'b', 'c']) await lab.createSync('app-db', {}, name)
  lab.start({ providerDirectories: [lab.fakeProviders], namespaces: ['a', 'b'] })
  await until('both to be Ready', async () => (await isReady(lab, 'a')) && isReady(lab, 'b'))
  assert.equal((await lab.kube.get(resources.secretSyncs, { namespace: 'c', name: 'app-db' })).status, undefined)
})

test('with --namespace-selector a namespace is worked on as long as it has the labels', async (t) => {
  const lab = await startWithProvider(t)
  await createNamespace(lab, 'a', { sync: 'yes' })
  await createNamespace(lab, 'b')
  for (const name of ['a', 'b']) await lab.createSync('app-db', {}, name)
  lab.start({ providerDirectories: [lab.fakeProviders], namespaceSelector: 'sync=yes' })
  await until('the labelled one to be Ready', () => isReady(lab, 'a'))
  assert.equal((await lab.kube.get(resources.secretSyncs, { namespace: 'b', name: 'app-db' })).status, undefined)
  await lab.kube.patch(resources.namespaces, { name: 'b' }, { metadata: { labels: { sync: 'yes' } } })
  await until('the other to be Ready', () => isReady(lab, 'b'))
  await lab.kube.patch(resources.namespaces, { name: 'a' }, { metadata: { labels: { sync: null } } })
  await lab.kube.delete(resources.secrets, { namespace: 'b', name: 'app-db' })
  await lab.kube.delete(resources.secrets, { namespace: 'a', name: 'app-db' })
  const there = async (namespace: string) => {
    const { items } = await lab.kube.list(resources.secrets, { namespace })
    return items.some(({ metadata }) => metadata.name === 'app-db')
  }
  await until('the Secret to come back', () => there('b'))
  assert.equal(await there('a'), false)
})

test('two controllers of two names share a cluster: each does the SecretSyncs that name it', async (t) => {
  const lab = await startWithProvider(t)
  await createNamespace(lab, 'a')
  for (const controller of ['ours', 'theirs'])
    await lab.createSync(`for-${controller}`, { secretSyncControllerName: controller }, 'a')
  const namedReady = async (name: string) => {
    const { status } = await lab.kube.get(resources.secretSyncs, { namespace: 'a', name })
    return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true
  }
  const first = lab.start({ providerDirectories: [lab.fakeProviders], controllerName: 'ours' })
  await until('ours', () => namedReady('for-ours'))
  assert.equal(await namedReady('for-theirs'), false)
  lab.start({ providerDirectories: [lab.fakeProviders], controllerName: 'theirs' })
  await until('theirs', () => namedReady('for-theirs'))
  const before = (await lab.kube.get(resources.secretSyncs, { namespace: 'a', name: 'for-ours' })).metadata
    .resourceVersion
  await first.stop()
  await lab.kube.patch(
    resources.secretSyncs,
    { namespace: 'a', name: 'for-theirs' },
    { spec: { forceSynchronization: 'now' } },
  )
  await until('theirs again', async () => {
    const { status, metadata } = await lab.kube.get(resources.secretSyncs, { namespace: 'a', name: 'for-theirs' })
    return status?.conditions?.every((one) => one.observedGeneration === metadata.generation) === true
  })
  const after = (await lab.kube.get(resources.secretSyncs, { namespace: 'a', name: 'for-ours' })).metadata
    .resourceVersion
  assert.equal(after, before)
})
