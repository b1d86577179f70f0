import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { resources } from '#kubernetes/client'
import { until } from '../../support/eventually.ts'
import { type SyncLab, startSyncLab } from './sync-lab.ts'

/** Secrets without a pod while the vault cannot be reached, and another vault has values for it. */

const at = (name: string) => ({ namespace: 'default', name })
const db = [{ objectName: 'db', objectType: 'secret' }]

interface OutageLab extends SyncLab {
  cut(): Promise<unknown>
  restore(): Promise<unknown>
  staleSince(name: string): Promise<string | undefined>
}

/** The vault has `new`, its fallback vault `old`. */
async function startOutageLab(t: TestContext): Promise<OutageLab> {
  const lab = await startSyncLab(t)
  const { azure, vault, identity } = lab
  const west = await azure.createVault('sync-west')
  await azure.assignRole('Key Vault Secrets User', identity.principalId, west.id)
  await azure.setSecret('sync-west', 'db', 'old')
  await azure.setSecret(vault, 'db', 'new')
  await lab.createClass('app', db, { fallbackKeyvaultName: 'sync-west' })
  const fault = `/faults/${vault}.vault.azure.net`
  return {
    ...lab,
    cut: () => azure.control('PUT', fault, { kind: 'unreachable' }),
    restore: () => azure.control('DELETE', fault),
    staleSince: async (name) => (await lab.sync(name)).metadata.annotations?.['keymount.dev/stale-since'],
  }
}

test('a Secret that is made in an outage shows it: condition, annotation, metric and event, until the vault answers', async (t) => {
  const lab = await startOutageLab(t)
  await lab.cut()
  lab.start()
  await lab.createSync('s')
  await until('the Secret', async () => (await lab.value('s', 'password')) === 'old')
  await until('an event', async () =>
    (await lab.events('SyncedStale')).some((text) =>
      /^the Secret has values of 20.*, because fallback vault "sync-west" answered for vault "sync-vault", which cannot answer/.test(
        text,
      ),
    ),
  )
  assert.match((await lab.staleSince('s')) ?? '', /^20/)
  assert.match(lab.metrics.text(), /^secretsync_stale\{namespace="default"\} 1$/m)
  // It goes on trying: the failure is what the conditions show then.
  await lab.condition('s', 'SecretUpdated', 'False', 'ProviderError')
  assert.equal(await lab.value('s', 'password'), 'old')
  assert.match((await lab.staleSince('s')) ?? '', /^20/)

  await lab.restore()
  await lab.condition('s', 'SecretUpdated', 'True', 'SecretUpToDate')
  assert.equal(await lab.value('s', 'password'), 'new')
  await until('no trace of the outage', async () => (await lab.staleSince('s')) === undefined)
  assert.doesNotMatch(lab.metrics.text(), /secretsync_stale\{/)
})

test('an answer from before an outage never replaces what a SecretSync has written', async (t) => {
  const lab = await startOutageLab(t)
  const provider = await lab.startFakeProvider('fake')
  provider.objects.set('db', { content: 'new', version: 'v2' })
  await lab.kube.create(resources.secretProviderClasses, {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClass',
    metadata: at('fake'),
    spec: { provider: 'fake', parameters: { objects: 'array:\n  - |\n    objectName: db' } },
  })
  lab.start({ providerDirectories: [lab.fakeProviders] })
  await lab.createSync('s', { secretProviderClassName: 'fake' })
  await lab.condition('s', 'SecretUpdated', 'True', 'SecretUpToDate')
  provider.objects.set('db', { content: 'old', version: 'v1' })
  provider.stale = { since: Date.parse('2026-11-28T07:00:00Z'), reason: 'vault shop cannot answer [vault-timeout]' }
  const text = await lab.condition('s', 'SecretUpdated', 'False', 'ProviderError')
  assert.match(
    text,
    /the provider has only values of 2026-11-28T07:00:00.*, because vault shop cannot answer \[vault-timeout\]; the Secret is left as it is/,
  )
  assert.equal(await lab.value('s', 'password'), 'new')
  assert.equal(await lab.staleSince('s'), undefined)
  provider.stale = undefined
  provider.objects.set('db', { content: 'newest', version: 'v3' })
  await until('the Secret', async () => (await lab.value('s', 'password')) === 'newest')
})

test('a Secret that a class asks for keeps its newer values in an outage', async (t) => {
  const lab = await startOutageLab(t)
  await lab.kube.patch(resources.serviceAccounts, at('app'), {
    metadata: { annotations: { 'keymount.dev/sync-classes': '*' } },
  })
  await lab.kube.patch(resources.secretProviderClasses, at('app'), {
    metadata: { annotations: { 'keymount.dev/sync-service-account': 'app' } },
    spec: { secretObjects: [{ secretName: 'made', type: 'Opaque', data: [{ objectName: 'db', key: 'password' }] }] },
  })
  lab.start({ syncClasses: true })
  await until('the Secret', async () => (await lab.value('made', 'password')) === 'new')
  await lab.cut()
  await until('an event', async () =>
    (await lab.events('ProviderError')).some((text) => text.includes('the Secret is left as it is')),
  )
  assert.equal(await lab.value('made', 'password'), 'new')
  await lab.restore()
  await lab.azure.setSecret(lab.vault, 'db', 'newest')
  await until('the Secret', async () => (await lab.value('made', 'password')) === 'newest')
})
