import assert from 'node:assert/strict'
import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type KubeObject, type Resource, resources, type UntypedObject } from '#kubernetes/client'
import { buildRootfs } from '#packaging/image'
import { chartDirectory, needsHelm } from '../../packaging/charts/helm.ts'
import { eventually } from '../../support/eventually.ts'
import { freePort } from '../../support/free-port.ts'
import { helmFor } from '../../support/helm.ts'
import { startLocalAzure, type TestAzure } from '../../support/local-azure.ts'
import { mayMount } from '../../support/may-mount.ts'
import { startNode } from '../../support/node.ts'
import { secretsVolume } from '../../support/secrets-volume.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const skip = mayMount() ? needsHelm.skip : 'pods need the right to mount: run as root, or through npm test'

const daemonSets: Resource<KubeObject & { status?: { numberReady: number } }> = {
  ...{ group: 'apps', version: 'v1', plural: 'daemonsets', kind: 'DaemonSet', namespaced: true },
}
const classes: Resource<UntypedObject> = {
  ...{ group: 'secrets-store.csi.x-k8s.io', version: 'v1', plural: 'secretproviderclasses' },
  ...{ kind: 'SecretProviderClass', namespaced: true },
}

/** Directories that a hostPath of the product creates on a node. */
const nodePaths = ['/var/lib/kubelet', '/etc/kubernetes', '/var/run/secrets-store-csi-providers']
const listing = () => nodePaths.map((path) => (existsSync(path) ? readdirSync(path).toSorted() : undefined))

/** The way to the local Azure, for every container of the product's image. */
function imageOverlay(t: TestContext, { proxyUrl, caFile, imds }: TestAzure): string {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'etc/lab'), { recursive: true })
  copyFileSync(caFile, join(directory, 'etc/lab/ca.pem'))
  const environment = {
    HTTPS_PROXY: proxyUrl,
    NO_PROXY: '127.0.0.1,localhost',
    NODE_EXTRA_CA_CERTS: '/etc/lab/ca.pem',
    AZURE_POD_IDENTITY_AUTHORITY_HOST: imds,
  }
  writeFileSync(join(directory, '.environment'), JSON.stringify(environment))
  return directory
}

/** Flags for ports that are free: pods share the network of the machine. */
async function portFlags(): Promise<string[]> {
  const [provider, driver, health, providerHealth] = await Promise.all([freePort(), freePort(), freePort(), freePort()])
  return [
    ...['--set-string', `metricsAddr=${provider}`, '--set-string', `linux.metricsAddr=127.0.0.1:${driver}`],
    ...['--set', `livenessProbe.port=${health}`, '--set', `linux.healthzPort=${providerHealth}`],
  ]
}

test('our chart, installed with helm as on any cluster, mounts a secret of the local Azure and writes nothing outside the state directory', {
  skip,
}, async (t) => {
  const before = listing()
  const azure = await startLocalAzure(t)
  const vault = await azure.createVault('lab-product')
  await azure.setSecret('lab-product', 'greeting', 'hello')
  const rootfs = await buildRootfs(temporaryDirectory(t))
  const node = await startNode(t, {
    images: new Map([['*/keymount', rootfs.path]]),
    imageOverlay: imageOverlay(t, azure),
  })
  const helm = helmFor({ kubeconfig: join(node.stateDir, 'kubeconfig'), directory: temporaryDirectory(t) })
  await helm('install', 'km', chartDirectory, ...(await portFlags()))
  for (const name of ['csi-secrets-store', 'csi-secrets-store-provider-azure']) {
    await eventually(async () => {
      const { status } = await node.kube.get(daemonSets, { name, namespace: 'kube-system' })
      assert.equal(status?.numberReady, 1, name)
    })
  }

  const { clientId, clientSecret, tenantId } = azure.administrator
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  await node.create(resources.secrets, {
    metadata: { name: 'credentials', labels: { 'secrets-store.csi.k8s.io/used': 'true' } },
    data: { clientid: base64(clientId), clientsecret: base64(clientSecret) },
  })
  const objects = 'array:\n  - |\n    objectName: greeting\n    objectType: secret\n'
  const parameters = { keyvaultName: vault.name, tenantId, objects }
  await node.create(classes, { metadata: { name: 'app' }, spec: { provider: 'azure', parameters } } as never)
  const volume = secretsVolume('s', 'app')
  await node.run(
    'app',
    { command: ['cat', '/secrets/greeting'], volumeMounts: [{ name: 's', mountPath: '/secrets', readOnly: true }] },
    { volumes: [{ ...volume, csi: { ...volume.csi, nodePublishSecretRef: { name: 'credentials' } } }] },
  )
  assert.equal(await node.outputOf('app'), 'hello')

  await node.delete('app')
  await helm('uninstall', 'km')
  await eventually(async () => {
    const { items } = await node.kube.list(resources.pods, { namespace: 'kube-system' })
    assert.deepEqual(items, [])
  })
  assert.deepEqual(readdirSync(join(node.kubeletRoot, 'pods')), [])
  assert.deepEqual(listing(), before, 'the machine is as it was')
})
