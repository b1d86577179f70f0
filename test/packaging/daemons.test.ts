import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { resourceOf } from '#kubernetes/client'
import { entrypoint, environment, imageReference } from '#packaging/image'
import { driverProgram } from '#product/driver'
import { providerProgram } from '#product/provider'
import { configOf } from '../support/config-of.ts'
import { daemonSet, manifest, manifests } from './manifests.ts'

const root = resolve(import.meta.dirname, '../..')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }

const driver = daemonSet('secrets-store-csi-driver')
const provider = daemonSet('secrets-store-provider-azure')

function hostPath({ pod }: typeof driver, volume: string): string | undefined {
  return pod.volumes.find(({ name }) => name === volume)?.hostPath?.path
}

function mount({ container }: typeof driver, volume: string) {
  return container.volumeMounts.find(({ name }) => name === volume)
}

function port({ container }: typeof driver, name: string): number | undefined {
  return container.ports.find((candidate) => candidate.name === name)?.containerPort
}

test('every object of deploy/keymount.yaml is of a kind that `keymount up` can apply', () => {
  const unknown = manifests.filter((object) => resourceOf(object) === undefined).map(({ kind }) => kind)
  assert.deepEqual(unknown, [])
})

test('both daemons run the image of this version, with its program named in the first argument', () => {
  for (const { container } of [driver, provider]) assert.equal(container.image, imageReference(version))
  assert.equal(driver.container.args[0], 'driver')
  assert.equal(provider.container.args[0], 'provider')
})

test('the daemons carry the labels and container names that people and suites look for', () => {
  for (const [app, { set }] of Object.entries({
    'secrets-store-csi-driver': driver,
    'secrets-store-provider-azure': provider,
  })) {
    assert.equal(set.metadata.namespace, 'kube-system')
    assert.equal(set.metadata.labels.app, app)
    assert.deepEqual(set.spec.selector.matchLabels, { app })
    assert.equal(set.spec.template.metadata.labels.app, app)
  }
  assert.equal(driver.container.name, 'secrets-store')
  assert.equal(provider.container.name, 'provider-azure-installer')
})

test('the driver understands its flags, and they agree with its ports, mounts and the CSIDriver object', () => {
  const flags = driver.container.args.slice(1).map((flag) => flag.replace('$(KUBE_NODE_NAME)', 'node1'))
  const config = configOf(driverProgram, flags)
  assert.deepEqual(config.metricsAddress?.port, port(driver, 'metrics'))
  assert.deepEqual(config.healthAddress?.port, port(driver, 'healthz'))
  assert.equal(port(driver, 'metrics'), 8095)
  assert.equal(port(driver, 'healthz'), 9808)
  assert.equal(manifest('CSIDriver', config.driverName).apiVersion, 'storage.k8s.io/v1')
  assert.deepEqual(config.endpoint, { kind: 'unix', path: `${mount(driver, 'plugin-dir')?.mountPath}/csi.sock` })
  assert.deepEqual(config.registration, {
    directory: mount(driver, 'registration-dir')?.mountPath,
    kubeletPath: `${hostPath(driver, 'plugin-dir')}/csi.sock`,
  })
  assert.deepEqual(config.providerDirectories, [
    mount(driver, 'additional-providers-dir')?.mountPath,
    mount(driver, 'providers-dir')?.mountPath,
  ])
  assert.equal(config.rotation, true)
  assert.equal(config.rotationIntervalMs, 120_000)
})

test('what the driver mounts appears on the node, under the path by which kubelet asked for it', () => {
  const pods = mount(driver, 'mountpoint-dir')
  assert.equal(pods?.mountPropagation, 'Bidirectional')
  assert.equal(pods?.mountPath, hostPath(driver, 'mountpoint-dir'))
  assert.equal(driver.container.securityContext.privileged, true)
})

test('the provider understands its flags, and they agree with its ports and the directory where the driver looks', () => {
  const { endpoint, metricsAddress, healthAddress, healthPath } = configOf(
    providerProgram,
    provider.container.args.slice(1),
  )
  assert.deepEqual(endpoint, { kind: 'unix', path: `${mount(provider, 'providers-dir')?.mountPath}/azure.sock` })
  assert.equal(hostPath(provider, 'providers-dir'), hostPath(driver, 'providers-dir'))
  assert.equal(metricsAddress?.port, port(provider, 'metrics'))
  assert.equal(healthAddress?.port, port(provider, 'healthz'))
  assert.equal(port(provider, 'metrics'), 8898)
  assert.equal(healthPath, provider.container.livenessProbe.httpGet.path)
})

test('the provider has no capability, a read-only root, and the default seccomp profile', () => {
  assert.deepEqual(provider.container.securityContext, {
    runAsUser: 0,
    runAsGroup: 0,
    privileged: false,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  })
})

test('proxy and CA of the provider come from two ConfigMaps that need not exist', () => {
  assert.deepEqual(provider.container.envFrom, [{ configMapRef: { name: 'keymount-provider-env', optional: true } }])
  const trust = provider.pod.volumes.find(({ name }) => name === 'trust')
  assert.deepEqual(trust?.configMap, { name: 'keymount-trust', optional: true })
  assert.equal(mount(provider, 'trust')?.mountPath, '/etc/keymount/trust')
})

test('kubelet asks for the tokens and the repetition that the driver works with', () => {
  assert.deepEqual(manifest('CSIDriver', 'secrets-store.csi.k8s.io').spec, {
    attachRequired: false,
    podInfoOnMount: true,
    volumeLifecycleModes: ['Ephemeral'],
    requiresRepublish: true,
    tokenRequests: [{ audience: 'api://AzureADTokenExchange' }, { audience: 'api://AKSIdentityBinding' }],
  })
})

interface Rule {
  apiGroups: string[]
  resources: string[]
  verbs: string[]
}

/** The rights of a daemon's service account, as `verb resource`. */
function rightsOf(serviceAccount: string): string[] {
  const roles = manifests
    .filter(({ kind }) => kind === 'ClusterRoleBinding')
    .map(
      (binding) => binding as unknown as { roleRef: { name: string }; subjects: { name: string; namespace: string }[] },
    )
    .filter(({ subjects }) => subjects.some(({ name }) => name === serviceAccount))
    .map(({ roleRef }) => roleRef.name)
  const rules = roles.flatMap((name) => manifest('ClusterRole', name).rules as Rule[])
  return rules.flatMap(({ resources, verbs }) =>
    resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`)),
  )
}

test('the driver may do this in the cluster, and nothing else', () => {
  assert.deepEqual(rightsOf(driver.pod.serviceAccountName), [
    'get events',
    'create events',
    'patch events',
    'get secretproviderclasses',
    'list secretproviderclasses',
    'watch secretproviderclasses',
    'get secretproviderclasspodstatuses',
    'list secretproviderclasspodstatuses',
    'create secretproviderclasspodstatuses',
    'update secretproviderclasspodstatuses',
    'patch secretproviderclasspodstatuses',
    'delete secretproviderclasspodstatuses',
    'get csidrivers',
  ])
})

test('the provider may get service accounts, and nothing else', () => {
  assert.deepEqual(rightsOf(provider.pod.serviceAccountName), ['get serviceaccounts'])
})

test('the service accounts of the daemons exist in their namespace', () => {
  for (const { pod } of [driver, provider]) {
    assert.equal(manifest('ServiceAccount', pod.serviceAccountName).metadata.namespace, 'kube-system')
  }
})

test('the Dockerfile starts what the image built without Docker starts', () => {
  const text = readFileSync(join(root, 'Dockerfile'), 'utf8')
  const words = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(text)?.[1] ?? 'null') as unknown
  const variables = /^ENV (.*)$/m
    .exec(text)?.[1]
    ?.split(' ')
    .map((pair) => pair.split('='))
  assert.deepEqual(words, entrypoint)
  assert.deepEqual(Object.fromEntries(variables ?? []), environment)
})

test('a variable that the image sets has the same value where a manifest sets it', () => {
  for (const { container } of [driver, provider]) {
    for (const { name, value } of container.env.filter(({ name }) => name in environment)) {
      assert.equal(value, environment[name])
    }
  }
})
