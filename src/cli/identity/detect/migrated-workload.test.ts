import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Container, KubeObject } from '#kubernetes/client'
import { type MigrationOptions, migratedWorkload, selectsByBinding, templateOf } from './migrated-workload.ts'
import { matchBindings } from './plan-migration.ts'

const options: MigrationOptions = { serviceAccountName: 'web', proxy: 'annotation', proxyPort: 8000, version: '1.0.0' }
const containers: Container[] = [{ name: 'main', image: 'app' }]
const labels = { app: 'web', aadpodidbinding: 'web' }
const template = {
  metadata: { labels },
  spec: { containers, serviceAccountName: 'default', serviceAccount: 'default' },
}

const workloads: Record<string, Record<string, unknown>> = {
  Deployment: { apiVersion: 'apps/v1', spec: { selector: { matchLabels: { app: 'web' } }, template } },
  DaemonSet: { apiVersion: 'apps/v1', spec: { selector: { matchLabels: { app: 'web' } }, template } },
  StatefulSet: { apiVersion: 'apps/v1', spec: { serviceName: 'web', template } },
  Job: { apiVersion: 'batch/v1', spec: { selector: { matchLabels: { 'controller-uid': 'x' } }, template } },
  CronJob: { apiVersion: 'batch/v1', spec: { schedule: '* * * * *', jobTemplate: { spec: { template } } } },
}

function workload(kind: string): KubeObject {
  const metadata = {
    name: 'web',
    namespace: 'shop',
    uid: 'u',
    resourceVersion: '7',
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', team: 'a' },
  }
  return { kind, metadata, status: { ready: 1 }, ...structuredClone(workloads[kind]) } as unknown as KubeObject
}

for (const kind of Object.keys(workloads)) {
  test(`azwi: detect: the resource file of a ${kind}`, () => {
    const before = workload(kind)
    const migrated = migratedWorkload(before, options)
    assert.deepEqual(migrated.metadata, { name: 'web', namespace: 'shop', annotations: { team: 'a' } })
    assert.ok(!('status' in migrated))
    const { metadata, spec } = templateOf(migrated)
    assert.deepEqual(metadata?.labels, { app: 'web', 'azure.workload.identity/use': 'true' })
    assert.deepEqual(metadata?.annotations, { 'azure.workload.identity/inject-proxy-sidecar': 'true' })
    assert.deepEqual(spec, { containers, serviceAccountName: 'web' })
    assert.deepEqual(before, workload(kind), 'the workload that was read stays as it was')
  })
}

test('azwi: detect: the resource file of a Pod', () => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'shop', uid: 'u', labels },
    spec: {
      nodeName: 'node',
      containers: [
        {
          name: 'main',
          volumeMounts: [
            { name: 'kube-api-access-x', mountPath: '/t' },
            { name: 'data', mountPath: '/d' },
          ],
        },
      ],
      volumes: [{ name: 'kube-api-access-x' }, { name: 'data', emptyDir: {} }],
    },
  }
  const migrated = migratedWorkload(pod, { ...options, proxyPort: 9000 })
  assert.deepEqual(migrated, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'web',
      namespace: 'shop',
      labels: { app: 'web', 'azure.workload.identity/use': 'true' },
      annotations: {
        'azure.workload.identity/inject-proxy-sidecar': 'true',
        'azure.workload.identity/proxy-sidecar-port': '9000',
      },
    },
    spec: {
      containers: [{ name: 'main', volumeMounts: [{ name: 'data', mountPath: '/d' }] }],
      volumes: [{ name: 'data', emptyDir: {} }],
      serviceAccountName: 'web',
    },
  })
})

test('a Job loses the selector and labels that the server generates', () => {
  const job = workload('Job')
  const made = templateOf(job)
  made.metadata = { labels: { ...labels, 'controller-uid': 'x', 'batch.kubernetes.io/job-name': 'web' } }
  const migrated = migratedWorkload(job, options) as KubeObject & { spec: { selector?: unknown } }
  assert.equal(migrated.spec.selector, undefined)
  assert.deepEqual(templateOf(migrated).metadata?.labels, { app: 'web', 'azure.workload.identity/use': 'true' })
})

const upstream = 'mcr.microsoft.com/oss/azure/workload-identity'
const appended: [
  name: string,
  images: { init: string[]; containers: string[] },
  names: { init: string[]; containers: string[] },
][] = [
  [
    'none are there',
    { init: [], containers: ['app'] },
    { init: ['azwi-proxy-init'], containers: ['c0', 'azwi-proxy'] },
  ],
  [
    'others are there',
    { init: ['setup'], containers: ['app', 'side'] },
    { init: ['i0', 'azwi-proxy-init'], containers: ['c0', 'c1', 'azwi-proxy'] },
  ],
  [
    'they are there already, by their images',
    { init: [`${upstream}/proxy-init:v1.2.0`], containers: ['app', `${upstream}/proxy:v1.2.0`] },
    { init: ['i0'], containers: ['c0', 'c1'] },
  ],
]

for (const [name, images, names] of appended) {
  test(`azwi: detect: proxy and proxy-init are appended when ${name}`, () => {
    const deployment = workload('Deployment')
    const spec = templateOf(deployment).spec
    spec.initContainers = images.init.map((image, i) => ({ name: `i${i}`, image }))
    spec.containers = images.containers.map((image, i) => ({ name: `c${i}`, image }))
    const migrated = templateOf(migratedWorkload(deployment, { ...options, proxy: 'containers' })).spec
    assert.deepEqual(
      migrated.initContainers?.map((one) => one.name),
      names.init,
    )
    assert.deepEqual(
      migrated.containers.map((one) => one.name),
      names.containers,
    )
  })
}

test('without a proxy, only label and service account are set', () => {
  const { metadata, spec } = templateOf(migratedWorkload(workload('Deployment'), { ...options, proxy: 'none' }))
  assert.deepEqual(metadata, { labels: { app: 'web', 'azure.workload.identity/use': 'true' } })
  assert.deepEqual(spec.containers, containers)
})

test('a workload that selects its pods by the binding is recognized', () => {
  const deployment = workload('Deployment') as KubeObject & { spec: { selector: unknown } }
  assert.equal(selectsByBinding(deployment), false)
  deployment.spec.selector = { matchLabels: { aadpodidbinding: 'web' } }
  assert.equal(selectsByBinding(deployment), true)
})

const identity = (name: string, spec: object = {}) => ({
  apiVersion: 'aadpodidentity.k8s.io/v1',
  kind: 'AzureIdentity',
  metadata: { name, namespace: 'shop' },
  spec: { type: 0, clientID: `client of ${name}`, ...spec },
})

const binding = (name: string, azureIdentity: string, selector: string) => ({
  apiVersion: 'aadpodidentity.k8s.io/v1',
  kind: 'AzureIdentityBinding',
  metadata: { name, namespace: 'shop' },
  spec: { azureIdentity, selector },
})

const names = (bindings: ReturnType<typeof binding>[], identities: ReturnType<typeof identity>[]) =>
  matchBindings(bindings, identities).matched.map((one) => `${one.selector}: ${one.identity.metadata.name}`)

test('azwi: detect: identity filter: none', () => {
  assert.deepEqual(names([], []), [])
  assert.deepEqual(names([], [identity('a')]), [])
})

test('azwi: detect: identity filter: a selector without an identity', () => {
  const { matched, warnings } = matchBindings([binding('b', 'missing', 'web')], [identity('a')])
  assert.deepEqual(matched, [])
  assert.match(warnings[0] ?? '', /there is no AzureIdentity "missing"/)
})

test('azwi: detect: identity filter: two bindings with the same selector, the first by name wins', () => {
  const bindings = [binding('z', 'second', 'web'), binding('a', 'first', 'web'), binding('m', 'second', 'other')]
  assert.deepEqual(names(bindings, [identity('first'), identity('second')]), ['web: first', 'other: second'])
})

test('service principals are not migrated automatically, and the warning names the manual steps', () => {
  const { matched, warnings } = matchBindings([binding('b', 'sp', 'web')], [identity('sp', { type: 1, clientID: 'c' })])
  assert.deepEqual(matched, [])
  assert.match(warnings[0] ?? '', /keymount identity serviceaccount create --aad-application-client-id c/)
})
