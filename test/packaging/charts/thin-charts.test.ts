import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { chartNames } from '#packaging/charts'
import { charts, daemonSets, type Manifest, needsHelm, packaged, template } from './helm.ts'

/** The charts with the names of upstream's. What `helm upgrade` cannot change is as upstream has it; their values work. */
interface Workload extends Manifest {
  spec: {
    replicas?: number
    selector: { matchLabels: Record<string, string> }
    template: { spec: { containers: { args: string[]; image: string; name: string }[] } }
  }
}

function workload(objects: Manifest[], name: string): Workload {
  const found = objects.find(
    (object) => object.metadata.name === name && 'template' in ((object as Workload).spec ?? {}),
  )
  assert.ok(found, `${name} is in ${objects.map(({ metadata }) => metadata.name).join(', ')}`)
  return found as Workload
}

test('the provider’s chart makes what charts/keymount makes, under upstream’s names', needsHelm, async (t) => {
  const chart = await packaged(t, 'csi-secrets-store-provider-azure')
  const thin = await template({}, { chart, release: 'csi' })
  assert.deepEqual(workload(thin, 'secrets-store-csi-driver').spec.selector, {
    matchLabels: { app: 'secrets-store-csi-driver' },
  })
  assert.deepEqual(workload(thin, 'csi-csi-secrets-store-provider-azure').spec.selector, {
    matchLabels: { app: 'csi-secrets-store-provider-azure' },
  })
  const own = await template({}, { release: 'csi' })
  const kinds = (objects: Manifest[]) => objects.map(({ kind }) => kind).toSorted()
  assert.deepEqual(kinds(thin), kinds(own))
  const args = (objects: Manifest[]) => daemonSets(objects).map(({ container }) => container.args)
  assert.deepEqual(args(thin), args(own))
})

test('a release whose name has the chart’s name in it gives the provider that name', needsHelm, async (t) => {
  const chart = await packaged(t, 'csi-secrets-store-provider-azure')
  const objects = await template({}, { chart, release: 'csi-secrets-store-provider-azure-1700000000' })
  workload(objects, 'csi-secrets-store-provider-azure-1700000000')
})

test(
  'values of the provider’s chart, and of the driver’s below it, mean what they mean upstream',
  needsHelm,
  async (t) => {
    const chart = await packaged(t, 'csi-secrets-store-provider-azure')
    const values = {
      logVerbosity: 5,
      constructPEMChain: false,
      metricsAddr: '9998',
      linux: { resources: { limits: { memory: '333Mi' } }, podLabels: { of: 'provider' }, healthzPort: 9989 },
      'secrets-store-csi-driver': {
        rotationPollInterval: '77s',
        syncSecret: { enabled: true },
        linux: {
          metricsAddr: ':9095',
          driver: { resources: { limits: { memory: '444Mi' } } },
          podLabels: { of: 'driver' },
        },
      },
      Azure: { proxySettings: { isProxyEnabled: true, httpsProxy: 'http://proxy.example:3128' } },
      // Without meaning here.
      logFormatJSON: true,
      enableArcExtension: false,
    }
    const objects = await template(values, { chart, release: 'csi' })
    const driver = workload(objects, 'secrets-store-csi-driver')
    const provider = workload(objects, 'csi-csi-secrets-store-provider-azure')
    const text = JSON.stringify(driver)
    for (const part of ['--rotation-poll-interval=77s', '--metrics-addr=:9095', '444Mi', '"of":"driver"', '-v=5']) {
      assert.ok(text.includes(part), `the driver has ${part}`)
    }
    const other = JSON.stringify(provider)
    for (const part of ['--construct-pem-chain=false', '--prometheus-port=9998', '333Mi', '"of":"provider"', '9989']) {
      assert.ok(other.includes(part), `the provider has ${part}`)
    }
    assert.ok(objects.some(({ metadata }) => metadata.name === 'secretprovidersyncing-role'))
    const environment = objects.find(({ metadata }) => metadata.name === 'keymount-provider-env')
    assert.deepEqual(environment?.data, { HTTPS_PROXY: 'http://proxy.example:3128' })
  },
)

test('without the driver below it, the provider’s chart is the provider alone', needsHelm, async (t) => {
  const chart = await packaged(t, 'csi-secrets-store-provider-azure')
  const objects = await template({ 'secrets-store-csi-driver': { install: false } }, { chart })
  assert.equal(daemonSets(objects).length, 1)
  assert.ok(!objects.some(({ kind }) => kind === 'CSIDriver'))
})

test('an image of upstream’s is refused by the thin chart too', needsHelm, async (t) => {
  const chart = await packaged(t, 'csi-secrets-store-provider-azure')
  const image = { repository: 'mcr.microsoft.com/oss/azure/secrets-store/provider-azure', tag: 'v1.8.2' }
  await assert.rejects(template({ linux: { image } }, { chart }), /not Keymount's/)
})

test(
  'the directory of a thin chart is not a chart, and its error names the command that builds it',
  needsHelm,
  async () => {
    for (const name of chartNames.filter((each) => each !== 'keymount')) {
      await assert.rejects(template({}, { chart: join(charts, name) }), /keymount charts package/)
    }
  },
)

test('the webhook’s chart has upstream’s name, selector and values', needsHelm, async (t) => {
  const chart = await packaged(t, 'workload-identity-webhook')
  const values = { azureTenantID: 'contoso.com', replicaCount: 3, podDisruptionBudget: { maxUnavailable: 1 } }
  const objects = await template(values, { chart, release: 'wi' })
  const { spec } = workload(objects, 'azure-wi-webhook-controller-manager')
  assert.equal(spec.replicas, 3)
  assert.deepEqual(spec.selector.matchLabels, {
    app: 'workload-identity-webhook',
    'azure-workload-identity.io/system': 'true',
    chart: 'workload-identity-webhook',
    release: 'wi',
  })
  const budget = objects.find(({ kind }) => kind === 'PodDisruptionBudget') as Manifest & { spec: object }
  assert.deepEqual({ ...budget.spec, selector: undefined }, { maxUnavailable: 1, selector: undefined })
  assert.deepEqual(daemonSets(objects), [])
  await assert.rejects(template({}, { chart }), /A valid \.Values\.azureTenantID entry required!/)
})

test('the chart of the sync controller has upstream’s names and values', needsHelm, async (t) => {
  const chart = await packaged(t, 'secrets-store-sync-controller')
  const providerContainer = [
    { name: 'provider-e2e', image: 'e2e:1', args: ['--endpoint=unix:///provider/e2e-provider.sock'] },
  ]
  const values = {
    tokenRequestAudience: [{ audience: 'api://one' }, { audience: 'two' }],
    rotationPollInterval: '21s',
    validatingAdmissionPolicies: { allowedSecretTypes: ['Opaque'] },
    providerContainer,
  }
  const objects = await template(values, { chart, release: 'sync' })
  const { spec } = workload(objects, 'secrets-store-sync-controller')
  assert.deepEqual(spec.selector.matchLabels, {
    'control-plane': 'controller-manager',
    'secrets-store.io/system': 'true',
  })
  const containers = spec.template.spec.containers
  assert.deepEqual(
    containers.map(({ name }) => name),
    ['manager', 'provider-e2e'],
  )
  const args = containers[0]?.args ?? []
  for (const flag of ['--token-request-audience=api://one,two', '--rotation-poll-interval=21s'])
    assert.ok(args.includes(flag), flag)
  assert.deepEqual(daemonSets(objects), [])
  const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)
  for (const name of [
    'ServiceAccount secrets-store-sync-controller',
    'ClusterRole secrets-store-sync-controller-manager-role',
    'ClusterRoleBinding secrets-store-sync-controller-manager-rolebinding',
    ...['create-update', 'update-check-oldobject', 'update-label', 'delete', 'validate-token'].flatMap((policy) => [
      `ValidatingAdmissionPolicy secrets-store-sync-controller-${policy}-policy`,
      `ValidatingAdmissionPolicyBinding secrets-store-sync-controller-${policy}-policy-binding`,
    ]),
  ])
    assert.ok(names.includes(name), name)
  assert.match(JSON.stringify(objects), /object\.spec\.audiences\[0\] in \[\\"api:\/\/one\\", \\"two\\"\]/)
})

test('the chart of pod identity has upstream’s names, selectors and values', needsHelm, async (t) => {
  const chart = await packaged(t, 'aad-pod-identity')
  const values = { forceNamespaced: 'true', mic: { replicas: 1, tag: 'v1.8.17' }, nmi: { probePort: '8185' } }
  const objects = await template(values, { chart, release: 'pod-identity' })
  const selector = (component: string) => ({
    matchLabels: {
      'app.kubernetes.io/name': 'aad-pod-identity',
      'app.kubernetes.io/instance': 'pod-identity',
      'app.kubernetes.io/component': component,
    },
  })
  const mic = workload(objects, 'aad-pod-identity-mic')
  assert.deepEqual(mic.spec.selector, selector('mic'))
  assert.equal(mic.spec.replicas, 1)
  const nmi = workload(objects, 'aad-pod-identity-nmi')
  assert.deepEqual(nmi.spec.selector, selector('nmi'))
  const args = nmi.spec.template.spec.containers.flatMap((container) => container.args)
  assert.ok(args.includes('--http-probe-port=8185'))
  assert.ok(args.includes('--forceNamespaced=true'))
})
