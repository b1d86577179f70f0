import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { type ConfigMap, type DaemonSet, type KubeObject, resourceOf } from '#kubernetes/client'
import { objectsToRemove } from './lab-product.ts'
import { type ProductSettings, productObjects, readManifests } from './product-objects.ts'

const manifests = readManifests(join(import.meta.dirname, '../../../..'), { secretSync: false })
const azure = {
  proxy: 'http://10.0.0.1:18443',
  imds: 'http://10.0.0.1:18169',
  caPem: 'PEM',
  noProxy: ['127.0.0.1', 'localhost'],
}
const daemons = { driverMetrics: 1001, driverHealth: 1002, providerMetrics: 1003, providerHealth: 1004 }
const ports = { ...daemons, webhook: 1005, webhookHealth: 1006 }
const plain: ProductSettings = { kubeletRoot: '/var/lib/kubelet' }

function rendered(settings: ProductSettings): KubeObject[] {
  return productObjects(manifests, settings)
}

function daemonSet(objects: readonly KubeObject[], name: string): DaemonSet {
  const found = objects.find(({ kind, metadata }) => kind === 'DaemonSet' && metadata.name === name)
  assert.ok(found !== undefined)
  return found as DaemonSet
}

const driverOf = (objects: readonly KubeObject[]) => daemonSet(objects, 'csi-secrets-store')
const providerOf = (objects: readonly KubeObject[]) => daemonSet(objects, 'csi-secrets-store-provider-azure')
const argsOf = ({ spec }: DaemonSet) => spec.template.spec.containers[0]?.args ?? []

test('with the default kubelet root and the real Azure, the objects are those that kubectl apply -f deploy/keymount.yaml makes', () => {
  const withoutMark = rendered(plain).map((object) => {
    if (object.kind !== 'DaemonSet') return object
    const copy = structuredClone(object) as DaemonSet
    delete copy.spec.template.metadata?.annotations?.['keymount.dev/configuration']
    return copy
  })
  // Manifests are data: only the order of fields, and how often an object was listed, may differ.
  assert.deepEqual(withoutMark, JSON.parse(JSON.stringify(manifests)))
})

test('another kubelet root replaces the default one everywhere', () => {
  const text = JSON.stringify(rendered({ ...plain, kubeletRoot: '/data/kubelet' }))
  assert.ok(!text.includes('/var/lib/kubelet'))
  assert.ok(text.includes('/data/kubelet/plugins_registry'))
  assert.ok(text.includes('--kubelet-registration-path=/data/kubelet/plugins/csi-secrets-store/csi.sock'))
})

test('an image and an interval replace those of the manifests', () => {
  const objects = rendered({ ...plain, image: 'example.com/keymount:1', rotationPollInterval: '7s' })
  for (const daemon of [driverOf(objects), providerOf(objects)]) {
    assert.equal(daemon.spec.template.spec.containers[0]?.image, 'example.com/keymount:1')
  }
  const intervals = argsOf(driverOf(objects)).filter((word) => word.startsWith('--rotation-poll-interval='))
  assert.deepEqual(intervals, ['--rotation-poll-interval=7s'])
})

test('a local Azure comes with its configuration', () => {
  const objects = rendered({ ...plain, azure })
  const configMap = (name: string) =>
    objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === name) as ConfigMap | undefined
  assert.deepEqual(configMap('keymount-provider-env')?.data, {
    HTTPS_PROXY: 'http://10.0.0.1:18443',
    NO_PROXY: '127.0.0.1,localhost',
    NODE_EXTRA_CA_CERTS: '/etc/keymount/trust/ca.crt',
    AZURE_POD_IDENTITY_AUTHORITY_HOST: 'http://10.0.0.1:18169',
  })
  assert.deepEqual(configMap('keymount-trust')?.data, { 'ca.crt': 'PEM' })
  assert.ok(argsOf(providerOf(objects)).includes('--emulator-proxy=http://10.0.0.1:18443'))
  assert.ok(argsOf(providerOf(objects)).includes('--emulator-ca-file=/etc/keymount/trust/ca.crt'))
})

test('a provider without caching sees changes of identities and values at once; others are as on any node', () => {
  const flags = ['--token-cache-ttl=0s', '--read-share=0s']
  const has = (daemon: DaemonSet) => flags.map((flag) => argsOf(daemon).includes(flag))
  const objects = rendered({ ...plain, azure, caching: 'off' })
  assert.deepEqual(has(providerOf(objects)), [true, true])
  assert.deepEqual(has(driverOf(objects)), [false, false])
  assert.deepEqual(has(providerOf(rendered({ ...plain, azure }))), [false, false])
})

test('as the add-on, the DaemonSets have the names and the label of those of AKS, and their own selectors', () => {
  const sets = rendered({ ...plain, addon: true }).filter(({ kind }) => kind === 'DaemonSet') as DaemonSet[]
  const seen = sets.map(({ metadata, spec }) => [
    metadata.name,
    ...[metadata.labels, spec.template.metadata?.labels].map((labels) => labels?.['kubernetes.azure.com/managedby']),
    spec.selector.matchLabels,
    spec.template.metadata?.labels?.app,
  ])
  const [driver, provider] = ['secrets-store-csi-driver', 'secrets-store-provider-azure']
  assert.deepEqual(seen, [
    ['aks-secrets-store-csi-driver', 'aks', 'aks', { app: driver }, driver],
    ['aks-secrets-store-provider-azure', 'aks', 'aks', { app: provider }, provider],
  ])
})

test('a changed configuration is a changed template, so that the pods read it', () => {
  const mark = (settings: ProductSettings) =>
    providerOf(rendered(settings)).spec.template.metadata?.annotations?.['keymount.dev/configuration']
  assert.equal(mark({ ...plain, azure }), mark({ ...plain, azure }))
  assert.notEqual(mark({ ...plain, azure }), mark({ ...plain, azure: { ...azure, proxy: 'http://10.0.0.2:1' } }))
})

test('on a shared machine, ports are those given, on loopback, and no directory of the machine is used', () => {
  const objects = rendered({ ...plain, shared: { providersDirectory: '/home/lab/providers', ports } })
  const driver = driverOf(objects)
  assert.ok(argsOf(driver).includes('--metrics-addr=127.0.0.1:1001'))
  assert.ok(argsOf(driver).includes('--health-addr=127.0.0.1:1002'))
  assert.deepEqual(
    driver.spec.template.spec.containers[0]?.ports?.map(({ name, containerPort }) => `${name} ${containerPort}`),
    ['healthz 1002', 'metrics 1001'],
  )
  assert.ok(argsOf(providerOf(objects)).includes('--metrics-addr=127.0.0.1:1003'))
  assert.ok(argsOf(providerOf(objects)).includes('--health-addr=127.0.0.1:1004'))
  for (const daemon of [driver, providerOf(objects)]) {
    assert.doesNotMatch(JSON.stringify(daemon), /8095|9808|8898|8989/, 'no default port is left')
  }
  const paths = [driver, providerOf(objects)]
    .flatMap(({ spec }) => spec.template.spec.volumes ?? [])
    .flatMap(({ hostPath }) => hostPath?.path ?? [])
  assert.ok(paths.includes('/home/lab/providers'))
  assert.ok(
    paths.every((path) => path.startsWith('/home/lab/') || path.startsWith('/var/lib/kubelet/')),
    paths.join(),
  )
})

test('every object of the manifests has a kind that the lab can install and remove', () => {
  const packageRoot = join(import.meta.dirname, '../../../..')
  const removable = objectsToRemove(packageRoot)
  assert.ok(removable.some(({ kind }) => kind === 'ValidatingAdmissionPolicy'))
  assert.deepEqual(
    removable.filter((object) => resourceOf(object) === undefined).map(({ kind }) => kind),
    [],
  )
})
