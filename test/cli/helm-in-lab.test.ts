import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryHome } from '../lab/home/lab-in-temporary-home.ts'
import { clusterSkip, labTools } from '../lab/home/lab-tools.ts'
import { chartDirectory, helm } from '../packaging/charts/helm.ts'
import { until } from '../support/eventually.ts'
import { helmFor } from '../support/helm.ts'
import { mayMount } from '../support/may-mount.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const skip = clusterSkip() ?? (helm === undefined ? 'helm not found' : mayMount() ? false : 'needs the right to mount')

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 1
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - { name: main, image: 'registry.k8s.io/e2e-test-images/busybox:1.29-4', command: [sleep, '3600'] }
`

test('in a cluster of the lab that az has made without the add-on, README’s helm install brings Keymount', {
  skip,
}, async (t) => {
  const home = await temporaryHome(t)
  await home.up()
  const tools = await labTools(t, home)
  const { az, kubectl, kubeconfig } = tools
  await az('group create -n shop -l westeurope')
  await az('aks create -g shop -n plain --enable-oidc-issuer --generate-ssh-keys')
  await az(`aks get-credentials -g shop -n plain -f ${kubeconfig}`)
  const run = helmFor({ kubeconfig, directory: temporaryDirectory(t) })

  await t.test('as README has it', () => {
    const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')
    assert.match(readme, /^helm install keymount charts\/keymount -n kube-system/m)
  })

  await t.test('helm install --dry-run=server changes nothing', async () => {
    assert.match(await run('install', 'keymount', chartDirectory, '--dry-run=server'), /kind: DaemonSet/)
    assert.equal(await kubectl('get', 'daemonsets', '-A', '-o', 'name'), '')
    assert.doesNotMatch(await run('list'), /keymount/)
  })

  await t.test('helm install starts driver and provider, and a pod mounts a secret', async () => {
    await run('install', 'keymount', chartDirectory, '--wait', '--timeout', '60s')
    const issuer = (await az('aks show -g shop -n plain --query', 'oidcIssuerProfile.issuerUrl')) as string
    const { clientId, principalId } = (await az('identity create -g shop -n app')) as Record<string, string>
    await az(
      `identity federated-credential create -g shop --identity-name app -n fed-app --issuer ${issuer} --subject system:serviceaccount:default:app --audiences api://AzureADTokenExchange`,
    )
    assert.equal((await home.keymount('azure', 'vault', 'create', 'helm-vault', '--secret', 'db=hunter2')).code, 0)
    const { id, tenant } = (await az(
      'keyvault show -n helm-vault --query',
      '{id: id, tenant: properties.tenantId}',
    )) as Record<string, string>
    await az(
      `role assignment create --assignee-object-id ${principalId} --assignee-principal-type ServicePrincipal --scope ${id} --role`,
      'Key Vault Secrets User',
    )
    await kubectl('create', 'serviceaccount', 'app')
    await kubectl.apply(podWithSecret({ clientId: clientId ?? '', tenantId: tenant ?? '' }))
    await kubectl('wait', '--for=condition=Ready', 'pod/app', '--timeout=60s').catch(async (error: unknown) => {
      throw new Error(`pod/app: ${await kubectl('describe', 'pod', 'app')}`, { cause: error })
    })
    assert.equal(await kubectl('exec', 'app', '--', 'cat', '/mnt/secrets/db'), 'hunter2')
  })

  await t.test('kubectl scale', async () => {
    await kubectl.apply(deployment)
    await kubectl('scale', 'deployment', 'web', '--replicas=3')
    await kubectl('rollout', 'status', 'deployment', 'web', '--timeout=60s')
    assert.equal(await kubectl('get', 'deployment', 'web', '-o', 'jsonpath={.status.readyReplicas}'), '3')
    await kubectl('scale', 'deployment', 'web', '--replicas=0')
    await until('its pods are gone', async () => (await kubectl('get', 'pods', '-l', 'app=web', '-o', 'name')) === '')
  })

  await t.test('helm uninstall leaves classes and their definitions, and nothing that runs', async () => {
    await kubectl('delete', 'pod', 'app', '--wait=true')
    await run('uninstall', 'keymount', '--wait', '--timeout', '60s')
    assert.equal(await kubectl('get', 'daemonsets', '-A', '-o', 'name'), '')
    await until('its pods are gone', async () => (await kubectl('get', 'pods', '-A', '-o', 'name')) === '')
    assert.equal(
      await kubectl('get', 'secretproviderclass', '-o', 'name'),
      'secretproviderclass.secrets-store.csi.x-k8s.io/app',
    )
  })
})

function podWithSecret({ clientId, tenantId }: { clientId: string; tenantId: string }): string {
  return `
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: { name: app }
spec:
  provider: azure
  parameters:
    keyvaultName: helm-vault
    clientID: ${clientId}
    tenantID: ${tenantId}
    objects: |
      array:
        - |
          objectName: db
          objectType: secret
---
apiVersion: v1
kind: Pod
metadata: { name: app }
spec:
  serviceAccountName: app
  terminationGracePeriodSeconds: 0
  containers:
    - name: main
      image: registry.k8s.io/e2e-test-images/busybox:1.29-4
      command: [sleep, '3600']
      volumeMounts: [{ name: secrets, mountPath: /mnt/secrets, readOnly: true }]
  volumes:
    - name: secrets
      csi: { driver: secrets-store.csi.k8s.io, readOnly: true, volumeAttributes: { secretProviderClass: app } }
`
}
