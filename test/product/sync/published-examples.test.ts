import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { resources, type SecretProviderClass, type SecretSync } from '#kubernetes/client'
import type { ObjectVersion } from '#kubernetes/provider-protocol'
import { sleep } from '#lib'
import { type SyncLab, startSyncLab } from './sync-lab.ts'

/** Manifests in the shape of those that vendors of this style publish. */

test('a class and a SecretSync as Azure’s extension for Arc documents them become Ready', async (t) => {
  const lab = await startSyncLab(t)
  await lab.azure.setSecret(lab.vault, 'db', 'older')
  // Key Vault orders versions by the second of their creation.
  await sleep(1100)
  await lab.azure.setSecret(lab.vault, 'db', 'newer')
  await apply(
    lab,
    `
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata:
  name: secret-provider-class-name
  namespace: default
spec:
  provider: azure
  parameters:
    clientID: "${lab.identity.clientId}"
    keyvaultName: ${lab.vault}
    objects: |
      array:
        - |
          objectName: db
          objectType: secret
          objectVersionHistory: 2
    tenantID: "${lab.azure.administrator.tenantId}"
---
apiVersion: secret-sync.x-k8s.io/v1alpha1
kind: SecretSync
metadata:
  name: secret-sync-name
  namespace: default
spec:
  serviceAccountName: app
  secretProviderClassName: secret-provider-class-name
  secretObject:
    type: Opaque
    data:
      - sourcePath: db/0
        targetKey: db-data-key0
      - sourcePath: db/1
        targetKey: db-data-key1
    labels:
      from-example: "true"
    annotations:
      example-annotation: value
  forceSynchronization: ArbitraryValue12354
`,
  )
  lab.start()
  await lab.condition('secret-sync-name', 'Ready', 'True', 'SecretUpToDate')
  assert.equal(await lab.value('secret-sync-name', 'db-data-key0'), 'newer')
  assert.equal(await lab.value('secret-sync-name', 'db-data-key1'), 'older')
  const { metadata } = (await lab.secret('secret-sync-name')) ?? {}
  assert.equal(metadata?.labels?.['from-example'], 'true')
  assert.equal(metadata?.annotations?.['example-annotation'], 'value')
})

test('a class and a SecretSync as GKE documents them, with only the group changed, become Ready', async (t) => {
  const lab = await startSyncLab(t)
  const provider = await lab.startFakeProvider('gke')
  provider.answer = ({ attributes }) => {
    const { secrets = '[]' } = JSON.parse(attributes) as Record<string, string>
    const listed = parse(secrets) as { resourceName: string; path: string }[]
    return {
      objectVersion: listed.map(({ resourceName }): ObjectVersion => ({ id: resourceName, version: '1' })),
      error: undefined,
      files: listed.map(({ path, resourceName }) => ({
        path,
        mode: 0o644,
        contents: Buffer.from(`of ${resourceName.split('/')[3]}`),
      })),
    }
  }
  await apply(
    lab,
    `
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata:
  name: my-app-secrets
  namespace: default
spec:
  provider: gke
  parameters:
    secrets: |
      - resourceName: "projects/my-project/secrets/api-key/versions/latest"
        path: "api-key.txt"
      - resourceName: "projects/my-project/secrets/db-password/versions/2"
        path: "db-password.txt"
---
apiVersion: secret-sync.x-k8s.io/v1alpha1
kind: SecretSync
metadata:
  name: my-app-secret
  namespace: default
spec:
  serviceAccountName: app
  secretProviderClassName: my-app-secrets
  secretObject:
    type: Opaque
    data:
      - sourcePath: "api-key.txt"
        targetKey: API_KEY
      - sourcePath: "db-password.txt"
        targetKey: DB_PASSWORD
`,
  )
  lab.start({ providerDirectories: [lab.fakeProviders] })
  await lab.condition('my-app-secret', 'Ready', 'True', 'SecretUpToDate')
  assert.equal(await lab.value('my-app-secret', 'API_KEY'), 'of api-key')
  assert.equal(await lab.value('my-app-secret', 'DB_PASSWORD'), 'of db-password')
})

/** `kubectl apply --server-side -f` of a text with a class and a SecretSync. */
async function apply({ kube }: SyncLab, text: string): Promise<void> {
  const [secretClass, sync] = parseAllDocuments(text).map((document) => document.toJS() as unknown)
  const options = { fieldManager: 'kubectl' }
  await kube.apply(resources.secretProviderClasses, secretClass as SecretProviderClass, options)
  await kube.apply(resources.secretSyncs, sync as SecretSync, options)
}
