import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Manifest, needsHelm, packaged, type Rule, template } from './helm.ts'

/** The controller of SecretSyncs as the chart installs it. */

const only = { driver: { install: false }, provider: { install: false } }
const sync = (values: object = {}) => template({ ...only, sync: { enabled: true, ...values } })

function named(objects: Manifest[], kind: string, name: string): Manifest {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name)
  assert.ok(found, `${kind} ${name}`)
  return found
}

/** `resource verb, …` of every rule, in order. */
function rightsOf({ rules }: Manifest): string[] {
  return (rules as Rule[])
    .flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.map((resource) => `${group === '' ? '' : `${group}/`}${resource}: ${verbs.toSorted().join(' ')}`),
      ),
    )
    .toSorted()
}

/** All that the controller may do; its admission policies narrow this further. */
const rights = [
  'events.k8s.io/events: create get patch',
  'events: create get patch',
  'secret-sync.x-k8s.io/secretsyncs/status: get patch update',
  'secret-sync.x-k8s.io/secretsyncs: get list patch watch',
  'secrets-store.csi.x-k8s.io/secretproviderclasses: get list watch',
  'secrets: create patch',
  'serviceaccounts/token: create',
  'serviceaccounts: get',
]

const role = 'secrets-store-sync-controller-manager-role'

test(
  'the controller has the rights that it uses, in the cluster or in the namespaces of a list',
  needsHelm,
  async () => {
    assert.deepEqual(rightsOf(named(await sync(), 'ClusterRole', role)), rights)
    const objects = await sync({ namespaces: ['a', 'b'] })
    const roles = objects.filter(({ kind, metadata }) => kind === 'Role' && metadata.name === role)
    assert.deepEqual(
      roles.map(({ metadata }) => metadata.namespace),
      ['a', 'b'],
    )
    for (const one of roles) assert.deepEqual(rightsOf(one), rights)
    assert.deepEqual(
      objects.filter(({ kind }) => kind.startsWith('ClusterRole')).map(({ metadata }) => metadata.name),
      [],
    )
    const lease = named(objects, 'Role', 'secrets-store-sync-controller-leader-election')
    assert.deepEqual(rightsOf(lease), ['coordination.k8s.io/leases: create', 'coordination.k8s.io/leases: get update'])
  },
)

test('users get the roles that upstream’s chart has for them, which are part of no other role', needsHelm, async () => {
  const objects = await sync()
  const status = 'secret-sync.x-k8s.io/secretsyncs/status: get'
  for (const [name, verbs] of [
    ['secretsync-editor-role', 'create delete get list patch update watch'],
    ['secretsync-viewer-role', 'get list watch'],
  ] as const) {
    const role = named(objects, 'ClusterRole', name)
    assert.deepEqual(rightsOf(role), [status, `secret-sync.x-k8s.io/secretsyncs: ${verbs}`])
    assert.deepEqual(
      Object.keys(role.metadata.labels ?? {}).filter((label) => label.includes('aggregate-to')),
      [],
    )
  }
})

test('names that upstream’s tests and users look for are upstream’s', needsHelm, async () => {
  const objects = await sync()
  named(objects, 'ClusterRoleBinding', 'secrets-store-sync-controller-manager-rolebinding')
  named(objects, 'ServiceAccount', 'secrets-store-sync-controller')
  named(objects, 'Deployment', 'secrets-store-sync-controller-manager')
  for (const name of [
    'create-update-policy',
    'update-check-oldobject-policy',
    'update-label-policy',
    'delete-policy',
    'validate-token-policy',
  ]) {
    named(objects, 'ValidatingAdmissionPolicy', `secrets-store-sync-controller-${name}`)
    named(objects, 'ValidatingAdmissionPolicyBinding', `secrets-store-sync-controller-${name}-binding`)
  }
})

const argsOf = (objects: Manifest[]) => {
  const { spec } = named(objects, 'Deployment', 'secrets-store-sync-controller-manager') as unknown as {
    spec: { template: { spec: { containers: { args: string[] }[] } } }
  }
  return spec.template.spec.containers[0]?.args ?? []
}

test('a selector of namespaces becomes a flag, and the right to read their labels', needsHelm, async () => {
  const namespaceSelector = {
    matchLabels: { team: 'a' },
    matchExpressions: [
      { key: 'stage', operator: 'In', values: ['prod', 'test'] },
      { key: 'sync', operator: 'Exists' },
      { key: 'old', operator: 'DoesNotExist' },
    ],
  }
  const objects = await sync({ namespaceSelector })
  assert.ok(
    argsOf(objects).includes('--namespace-selector=team=a,stage in (prod,test),sync,!old'),
    argsOf(objects).join(' '),
  )
  assert.deepEqual(rightsOf(named(objects, 'ClusterRole', role)), [...rights, 'namespaces: list watch'].toSorted())
  await assert.rejects(
    sync({ namespaceSelector, namespaces: ['a'] }),
    /sync\.namespaces and sync\.namespaceSelector are both set/,
  )
})

test('Secrets may be owned by a class only where sync.classes is set', needsHelm, async () => {
  const policyOf = async (values: object) =>
    JSON.stringify(
      named(await sync(values), 'ValidatingAdmissionPolicy', 'secrets-store-sync-controller-create-update-policy'),
    )
  assert.doesNotMatch(await policyOf({}), /SecretProviderClass/)
  assert.match(await policyOf({ classes: true }), /SecretProviderClass/)
  assert.ok(argsOf(await sync({ classes: true })).includes('--sync-classes'))
})

test('the values of upstream’s chart are accepted by the chart of its name', needsHelm, async (t) => {
  const chart = await packaged(t, 'secrets-store-sync-controller')
  const values = {
    controllerName: 'secrets-store-sync-controller-manager',
    tokenRequestAudience: [{ audience: 'api://AzureADTokenExchange' }, { audience: 'other' }],
    logVerbosity: 5,
    rotationPollInterval: '12h',
    metricsPort: 9085,
    validatingAdmissionPolicies: { applyPolicies: true, allowedSecretTypes: ['Opaque'] },
    providerContainer: [{ name: 'provider-e2e-installer', image: 'e2e' }],
    tolerations: [{ operator: 'Exists' }],
    nodeSelector: null,
    affinity: null,
    podLabels: { app: 'secrets-store-sync-controller' },
    resources: { limits: { cpu: '500m' } },
  }
  const objects = await template(values, { chart, release: 'sync' })
  const deployment = named(objects, 'Deployment', 'secrets-store-sync-controller') as unknown as {
    spec: { template: { spec: { containers: { name: string; args?: string[] }[] } } }
  }
  const { containers } = deployment.spec.template.spec
  assert.deepEqual(
    containers.map(({ name }) => name),
    ['manager', 'provider-e2e-installer'],
  )
  const args = containers[0]?.args ?? []
  for (const flag of [
    '--token-request-audience=api://AzureADTokenExchange,other',
    '--rotation-poll-interval=12h',
    '--controller-name=secrets-store-sync-controller-manager',
    '--metrics-bind-address=:9085',
  ])
    assert.ok(args.includes(flag), args.join(' '))
})
