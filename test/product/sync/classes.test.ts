import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resources, type SecretObject } from '#kubernetes/client'
import { until } from '../../support/eventually.ts'
import { type SyncLab, startSyncLab } from './sync-lab.ts'

/** Classes whose `secretObjects` are made without a pod, as the service account that they name. */

const at = (name: string) => ({ namespace: 'default', name })
const secretObjects: SecretObject[] = [
  { secretName: 'app-db', type: 'Opaque', data: [{ objectName: 'db', key: 'password' }], labels: { team: 'a' } },
  { secretName: 'app-copy', type: 'Opaque', data: [{ objectName: 'db', key: 'copy' }] },
]

async function startClassLab(t: Parameters<typeof startSyncLab>[0]): Promise<SyncLab> {
  const lab = await startSyncLab(t)
  await lab.azure.setSecret(lab.vault, 'db', 'first')
  await lab.createClass('app', [{ objectName: 'db', objectType: 'secret' }])
  await lab.kube.patch(resources.secretProviderClasses, at('app'), { spec: { secretObjects } })
  lab.start({ syncClasses: true })
  return lab
}

function annotateClass({ kube }: SyncLab, account: string | null): Promise<unknown> {
  const annotations = { 'keymount.dev/sync-service-account': account }
  return kube.patch(resources.secretProviderClasses, at('app'), { metadata: { annotations } })
}

function consent({ kube }: SyncLab, classes: string | null): Promise<unknown> {
  const annotations = { 'keymount.dev/sync-classes': classes }
  return kube.patch(resources.serviceAccounts, at('app'), { metadata: { annotations } })
}

test('a class with secretObjects and a consenting service account gets its Secrets without any pod', async (t) => {
  const lab = await startClassLab(t)
  await consent(lab, 'other, app')
  await annotateClass(lab, 'app')
  await until('both Secrets', async () => (await lab.value('app-copy', 'copy')) && lab.value('app-db', 'password'))
  const secret = await lab.secret('app-db')
  const secretClass = await lab.kube.get(resources.secretProviderClasses, at('app'))
  assert.deepEqual(secret?.metadata.labels, { team: 'a', 'secrets-store.sync.x-k8s.io': '' })
  assert.deepEqual(secret?.metadata.ownerReferences, [
    {
      apiVersion: 'secrets-store.csi.x-k8s.io/v1',
      kind: 'SecretProviderClass',
      name: 'app',
      uid: secretClass.metadata.uid,
    },
  ])
  await lab.azure.setSecret(lab.vault, 'db', 'second')
  await until('the Secret to follow', async () => (await lab.value('app-db', 'password')) === 'second')
  await lab.kube.delete(resources.secrets, at('app-db'))
  await until('the Secret to come back', async () => (await lab.value('app-db', 'password')) === 'second')
  await until('an event on the class', async () =>
    (await lab.events('Synced')).includes('wrote Secret "app-db" with password'),
  )

  await annotateClass(lab, null)
  await lab.azure.setSecret(lab.vault, 'db', 'third')
  await lab.kube.delete(resources.secretProviderClasses, at('app'))
  await until('the Secrets to go', async () => (await lab.secret('app-db')) === undefined)
})

test('without the consent of the service account nothing is read or written, and an event has both lines to add', async (t) => {
  const lab = await startClassLab(t)
  await annotateClass(lab, 'app')
  await until('the event', async () => (await lab.events('SyncNotAllowed')).length === 2)
  const [text = ''] = (await lab.events('SyncNotAllowed')).filter((one) => one.includes('"app-db"'))
  assert.equal(
    text,
    'Secret "app-db" is not made: service account "app" does not allow it. It takes both annotations: keymount.dev/sync-service-account: "app" on SecretProviderClass "app" (there), and keymount.dev/sync-classes: "app" on ServiceAccount "app" (missing) [sync-not-allowed]',
  )
  assert.equal(await lab.secret('app-db'), undefined)
  assert.match(lab.metrics.text(), /^secretsync_reconcile_total\{result="failure",reason="SyncNotAllowed"\} \d+$/m)
  assert.doesNotMatch(lab.metrics.text(), /^secretsync_provider_reads_total [1-9]/m)

  await consent(lab, '*')
  await until('the Secret', async () => (await lab.value('app-db', 'password')) === 'first')
  const refusals = () => Number(/reason="SyncNotAllowed"\} (\d+)/.exec(lab.metrics.text())?.[1] ?? 0)
  const refusedAgain = async () => {
    const before = refusals()
    await until('checks after the consent was taken back', () => Promise.resolve(refusals() > before + 2))
  }
  await consent(lab, null)
  // A check that had begun with the consent may still read the vault.
  await refusedAgain()
  await lab.azure.setSecret(lab.vault, 'db', 'second')
  await refusedAgain()
  assert.equal(await lab.value('app-db', 'password'), 'first')
})

test('a class that names an account is left alone unless the controller was started for it', async (t) => {
  const lab = await startSyncLab(t)
  await lab.azure.setSecret(lab.vault, 'db', 'x')
  await lab.createClass('app', [{ objectName: 'db', objectType: 'secret' }])
  await consent(lab, 'app')
  await lab.kube.patch(resources.secretProviderClasses, at('app'), { spec: { secretObjects } })
  await annotateClass(lab, 'app')
  lab.start()
  await lab.createSync('other')
  await lab.condition('other', 'Ready', 'True', 'SecretUpToDate')
  assert.equal(await lab.secret('app-db'), undefined)
})

test('with syncAll and a select, the Secret of a class has a key for every file, and loses what goes', async (t) => {
  const lab = await startSyncLab(t)
  for (const name of ['shop-a', 'shop-b']) await lab.azure.setSecret(lab.vault, name, `of ${name}`)
  await lab.createClass('app', [{ select: { namePattern: 'shop-.*' }, fileName: 'shop/{name}', stripPrefix: 'shop-' }])
  const every: SecretObject[] = [{ secretName: 'all', type: 'Opaque', data: [{ objectName: '*', key: '{file}' }] }]
  const spec = { secretObjects: every, parameters: { syncAll: 'true' } }
  await lab.kube.patch(resources.secretProviderClasses, at('app'), { spec })
  lab.start({ syncClasses: true })
  await consent(lab, 'app')
  await annotateClass(lab, 'app')
  await until('both keys', async () => (await lab.value('all', 'shop.a')) && lab.value('all', 'shop.b'))
  assert.equal(await lab.value('all', 'shop.a'), 'of shop-a')
  await lab.azure.setSecret(lab.vault, 'shop-c', 'of shop-c')
  await until('the new key', async () => (await lab.value('all', 'shop.c')) === 'of shop-c')
  await lab.callVault(lab.vault, 'DELETE', '/secrets/shop-a')
  await until('the key to go', async () => (await lab.value('all', 'shop.a')) === undefined)
  assert.equal(await lab.value('all', 'shop.b'), 'of shop-b')
})
