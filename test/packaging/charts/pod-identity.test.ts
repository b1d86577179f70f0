import assert from 'node:assert/strict'
import { test } from 'node:test'
import { micProgram, nmiProgram } from '#product/pod-identity'
import { configOf } from '../../support/config-of.ts'
import { type Manifest, needsHelm, type Rule, template } from './helm.ts'

const alone = { driver: { install: false }, provider: { install: false } }
const render = (values: object = {}) => template({ ...alone, podIdentity: { enabled: true, ...values } })
const adminsecret = { subscriptionID: 's', resourceGroup: 'g', tenantID: 't', clientID: 'c', clientSecret: 'x' }

const named = (objects: Manifest[], kind: string, name: string) =>
  objects.find((object) => object.kind === kind && object.metadata.name === name)

interface PodTemplate {
  metadata: { labels: Record<string, string> }
  spec: {
    hostNetwork?: boolean
    serviceAccountName: string
    volumes: { name: string; hostPath?: object; configMap?: object }[]
    containers: {
      args: string[]
      env: { name: string; valueFrom?: { secretKeyRef?: { name: string; key: string } } }[]
      securityContext: Record<string, unknown>
      volumeMounts: { name: string; mountPath: string }[]
    }[]
  }
}

function pods(objects: Manifest[], kind: 'Deployment' | 'DaemonSet') {
  const name = kind === 'Deployment' ? 'aad-pod-identity-mic' : 'aad-pod-identity-nmi'
  const found = named(objects, kind, name)
  assert.ok(found !== undefined)
  const { template: pod } = found.spec as { template: PodTemplate }
  const [container] = pod.spec.containers
  assert.ok(container !== undefined)
  return { ...pod, container }
}

test('pod identity is not installed unless it is asked for', needsHelm, async () => {
  assert.doesNotMatch(JSON.stringify(await template({})), /aadpodidentity|aad-pod-id/)
})

test(
  'the kinds are upstream’s: names, columns, no status subresource, and kept when the release goes',
  needsHelm,
  async () => {
    const definitions = (await render()).filter(({ kind }) => kind === 'CustomResourceDefinition')
    const rows = definitions.map(({ metadata, ...object }) => {
      const spec = object.spec as {
        names: { kind: string }
        scope: string
        versions: { name: string; subresources?: object; additionalPrinterColumns?: { name: string }[] }[]
      }
      const [version, ...more] = spec.versions
      assert.deepEqual([spec.scope, version?.name, version?.subresources, more], ['Namespaced', 'v1', undefined, []])
      assert.equal(metadata.annotations?.['helm.sh/resource-policy'], 'keep')
      assert.equal(metadata.annotations?.['api-approved.kubernetes.io'], 'unapproved')
      return [metadata.name, spec.names.kind, version?.additionalPrinterColumns?.map(({ name }) => name).join(' ')]
    })
    assert.deepEqual(rows.toSorted(), [
      ['azureassignedidentities.aadpodidentity.k8s.io', 'AzureAssignedIdentity', undefined],
      ['azureidentities.aadpodidentity.k8s.io', 'AzureIdentity', 'Type ClientID Age'],
      ['azureidentitybindings.aadpodidentity.k8s.io', 'AzureIdentityBinding', 'AzureIdentity Selector Age'],
      ['azurepodidentityexceptions.aadpodidentity.k8s.io', 'AzurePodIdentityException', undefined],
    ])
  },
)

test('values become the configuration of the controller', needsHelm, async () => {
  const values = {
    forceNamespaced: true,
    mic: {
      immutableUserMSIs: ['a', 'b'],
      syncRetryDuration: '10m',
      leaderElection: { namespace: 'leases', duration: '20s', instance: 'one' },
    },
  }
  const { container, metadata } = pods(await render(values), 'Deployment')
  const config = configOf(micProgram, container.args.slice(1))
  assert.equal(config.cloudConfigFile, '/etc/kubernetes/azure.json')
  assert.partialDeepStrictEqual(config.mic, {
    forceNamespaced: true,
    immutableClientIds: ['a', 'b'],
    syncRetryMs: 600_000,
    lease: { namespace: 'leases', name: 'aad-pod-identity-mic' },
    leaseDurationMs: 20_000,
    instance: 'one',
    healthAddress: { port: 8080 },
    metricsAddress: { port: 8888 },
  })
  assert.equal(metadata.labels.component, 'mic')
})

test('values become the configuration of the node endpoint', needsHelm, async () => {
  const values = {
    nmi: { blockInstanceMetadata: true, retryAttemptsForCreated: 3, ipTableUpdateTimeIntervalInSeconds: 5 },
  }
  const { container, metadata } = pods(await render(values), 'DaemonSet')
  const config = configOf(nmiProgram, container.args.slice(1))
  assert.partialDeepStrictEqual(config.nmi, {
    mode: 'standard',
    blockInstanceMetadata: true,
    attemptsForCreated: 3,
    redirect: { checkMs: 5000 },
    controller: { namespace: 'kube-system', serviceAccount: 'aad-pod-identity-mic' },
    healthAddress: { port: 8085 },
  })
  assert.equal(metadata.labels.component, 'nmi')
})

test('in managed mode there is no controller, and identities keep to their namespace', needsHelm, async () => {
  const objects = await render({ operationMode: 'managed' })
  assert.equal(named(objects, 'Deployment', 'aad-pod-identity-mic'), undefined)
  assert.equal(named(objects, 'ServiceAccount', 'aad-pod-identity-mic'), undefined)
  const config = configOf(nmiProgram, pods(objects, 'DaemonSet').container.args.slice(1))
  assert.partialDeepStrictEqual(config.nmi, { mode: 'managed', forceNamespaced: true })
})

test('each program has the rights that it uses, and no more', needsHelm, async () => {
  const objects = await render({ rbac: { createUserFacingClusterRoles: true } })
  const rulesOf = (name: string) => (named(objects, 'ClusterRole', name)?.rules ?? []) as unknown as Rule[]
  for (const rule of [...rulesOf('aad-pod-identity-mic'), ...rulesOf('aad-pod-identity-nmi')]) {
    assert.ok(!rule.verbs.includes('*') && !rule.resources.includes('*') && !rule.resources.includes('secrets'))
    const writes = rule.verbs.some((verb) => !['get', 'list', 'watch'].includes(verb))
    if (writes) assert.match(rule.resources.join(), /^(events|azureassignedidentities)$/)
  }
  assert.equal(
    rulesOf('aad-pod-identity-nmi').some(({ verbs }) => verbs.includes('create')),
    false,
  )

  const [edit] = rulesOf('aad-pod-identity-edit')
  assert.deepEqual(edit?.resources, ['azureidentities', 'azureidentitybindings'], 'no exceptions from the interception')

  const nmi = pods(objects, 'DaemonSet')
  assert.equal(nmi.spec.hostNetwork, true)
  assert.partialDeepStrictEqual(nmi.container.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] },
  })
  const own = pods(await render({ adminsecret }), 'Deployment')
  assert.partialDeepStrictEqual(own.container.securityContext, {
    runAsNonRoot: true,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  })
  assert.deepEqual(
    own.spec.volumes.filter(({ hostPath }) => hostPath !== undefined),
    [],
    'with credentials of its own nothing of the node is mounted',
  )
})

test('credentials are in a Secret, under upstream’s keys, and on no command line', needsHelm, async () => {
  const objects = await render({ adminsecret })
  const secret = named(objects, 'Secret', 'aad-pod-identity-admin-secret')
  assert.deepEqual(secret?.stringData, {
    ClientID: 'c',
    ClientSecret: 'x',
    ResourceGroup: 'g',
    SubscriptionID: 's',
    TenantID: 't',
  })
  const { container } = pods(objects, 'Deployment')
  const names = container.env.filter(({ valueFrom }) => valueFrom?.secretKeyRef).map(({ name }) => name)
  assert.deepEqual(names.toSorted(), ['CLIENT_ID', 'CLIENT_SECRET', 'RESOURCE_GROUP', 'SUBSCRIPTION_ID', 'TENANT_ID'])
  assert.ok(container.args.every((word) => !word.startsWith('--cloudconfig')))
})

const binding = { name: 'shop-binding', selector: 'shop' }
const azureIdentities = { shop: { type: 0, resourceID: '/id', clientID: 'c', namespace: 'team', binding } }
const served = ['aadpodidentity.k8s.io/v1']
const renderServed = (values: object) =>
  template({ ...alone, podIdentity: { enabled: true, ...values } }, { apiVersions: served })
const isOwn = ({ apiVersion }: Manifest) => apiVersion === served[0]
const keyOf = ({ kind, metadata }: Manifest) => `${kind} ${metadata.namespace}/${metadata.name}`

test('identities of the values are made with their bindings, and with the exceptions', needsHelm, async () => {
  const objects = (await renderServed({ azureIdentities })).filter(isOwn)
  assert.deepEqual(objects.map(keyOf).toSorted(), [
    'AzureIdentity team/shop',
    'AzureIdentityBinding team/shop-binding',
    'AzurePodIdentityException kube-system/aks-addon-exception',
    'AzurePodIdentityException kube-system/mic',
  ])
  assert.deepEqual(named(objects, 'AzureIdentity', 'shop')?.spec, { type: 0, resourceID: '/id', clientID: 'c' })
  assert.deepEqual(named(objects, 'AzureIdentityBinding', 'shop-binding')?.spec, {
    azureIdentity: 'shop',
    selector: 'shop',
  })
  await assert.rejects(render({ azureIdentities: { shop: { type: 7, clientID: 'c', binding } } }), /type/)
})

test(
  'a cluster that does not serve the kinds yet gets the same objects from a program, which may create them and nothing else',
  needsHelm,
  async () => {
    for (const operationMode of ['standard', 'managed'] as const) {
      const values = { operationMode, azureIdentities }
      const first = await render(values)
      assert.deepEqual(first.filter(isOwn), [], 'Helm creates none of a kind that is not served')
      const map = named(first, 'ConfigMap', 'aad-pod-identity-initial-objects')
      const { 'objects.json': text = '' } = (map?.data ?? {}) as Record<string, string>
      const initial = JSON.parse(text) as Manifest[]
      assert.deepEqual(initial.toSorted(byKey), (await renderServed(values)).filter(isOwn).toSorted(byKey))
      for (const { metadata } of initial) {
        assert.equal(metadata.annotations?.['meta.helm.sh/release-name'], 'keymount')
        assert.equal(metadata.annotations?.['meta.helm.sh/release-namespace'], 'kube-system')
        assert.equal(metadata.labels?.['app.kubernetes.io/managed-by'], 'Helm', 'the next upgrade adopts it')
      }
      const creator = operationMode === 'standard' ? 'mic' : 'nmi'
      const { container, spec } = pods(first, creator === 'mic' ? 'Deployment' : 'DaemonSet')
      const words = container.args.slice(1)
      const { initialObjectsFile } = creator === 'mic' ? configOf(micProgram, words) : configOf(nmiProgram, words)
      const mount = container.volumeMounts.find(({ name }) => name === 'initial-objects')
      assert.equal(initialObjectsFile, `${mount?.mountPath}/objects.json`)
      const volume = { name: map?.metadata.name, optional: true }
      assert.partialDeepStrictEqual(spec.volumes, [{ name: 'initial-objects', configMap: volume }])

      const roles = first.filter(({ kind, metadata }) => kind === 'Role' && metadata.name === map?.metadata.name)
      const allowed = roles.flatMap(({ metadata, rules }) =>
        (rules as Rule[]).map(({ resources, verbs }) => `${metadata.namespace}: ${verbs} ${resources.join()}`),
      )
      const exceptions = 'kube-system: create azurepodidentityexceptions'
      const identities = 'team: create azureidentities,azureidentitybindings'
      assert.deepEqual(allowed, creator === 'mic' ? [exceptions, identities] : [identities])
      const subjects = first
        .filter(({ kind, metadata }) => kind === 'RoleBinding' && metadata.name === map?.metadata.name)
        .flatMap(({ subjects }) => (subjects as { name: string }[]).map(({ name }) => name))
      assert.deepEqual(new Set(subjects), new Set([`aad-pod-identity-${creator}`]))

      const next = await renderServed(values)
      assert.deepEqual(pods(next, 'DaemonSet'), pods(first, 'DaemonSet'), 'the next upgrade restarts no pod')
      assert.ok(!JSON.stringify(next.filter(({ kind }) => kind.startsWith('Role'))).includes('initial-objects'))
    }
  },
)

const byKey = (a: Manifest, b: Manifest) => (keyOf(a) < keyOf(b) ? -1 : 1)

test('Secrets of other namespaces and other authorities need values of their own', needsHelm, async () => {
  const configFor = async (values: object) =>
    configOf(nmiProgram, pods(await render(values), 'DaemonSet').container.args.slice(1)).nmi
  assert.partialDeepStrictEqual(await configFor({}), { allowCrossNamespaceSecrets: false, allowedAuthorities: [] })
  const allowedAuthorities = ['https://login.stack.example/adfs', 'https://other.example']
  const nmi = { allowCrossNamespaceSecrets: true, allowedAuthorities }
  assert.partialDeepStrictEqual(await configFor({ nmi }), nmi)
  await assert.rejects(
    render({ operationMode: 'managed', nmi: { allowCrossNamespaceSecrets: true } }),
    /allowCrossNamespaceSecrets is not available in managed mode/,
  )
})
