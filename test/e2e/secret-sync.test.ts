import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createKubeClient,
  ifFound,
  isForbidden,
  loadKubeconfig,
  type Resource,
  resources,
  type Secret,
  type SecretSync,
  type UntypedObject,
  wasFound,
} from '#kubernetes/client'
import { until } from '../support/eventually.ts'
import { createHelmRelease, type HelmRelease } from '../support/helm-release.ts'
import { noHelm, noNodeHost, realClusterOnly } from './real-cluster-only.ts'

/** Secrets without a pod, installed by the chart with nothing but `sync.enabled`, on a real cluster with its admission policies. */
const options = realClusterOnly('admission policies need a real cluster', noHelm, noNodeHost)

test('a SecretSync becomes a Secret on a real cluster, and its controller can do nothing else', options, async (t) => {
  const release = await createHelmRelease(t, {
    objects: ['db'],
    values: {
      sync: { enabled: true, rotationPollInterval: '2s', classes: true },
      driver: { install: false },
      provider: { install: false },
    },
  })
  const { kube, namespace } = release
  await release.setSecret('first')
  await release.install()
  await kube.create(resources.secretSyncs, syncOf(release, 'app-db'))
  await ready(release, 'app-db')
  assert.equal(await valueOfSecret(release, 'app-db'), 'first')

  await release.setSecret('second')
  await until('the Secret to follow', async () => (await valueOfSecret(release, 'app-db')) === 'second')
  await kube.delete(resources.secrets, { namespace, name: 'app-db' })
  await until('the Secret to come back', async () => (await valueOfSecret(release, 'app-db')) === 'second')

  for (const [what, name, object, expected] of failures)
    await t.test(`${what} is reported in upstream’s words`, async () => {
      await kube.create(resources.secretSyncs, syncOf(release, name, object))
      const message = `failed to patch secret "${name}": ${expected.replaceAll('NAMESPACE', namespace)}`
      assert.equal(await failed(release, name, 'ControllerPatchError'), message)
      assert.equal(await condition(release, name, 'SecretCreated', 'False', 'ControllerPatchError'), message)
      assert.equal(await wasFound(kube.get(resources.secrets, { namespace, name })), false)
      await kube.delete(resources.secretSyncs, { namespace, name })
    })

  await t.test('a class that is missing, or in another namespace, is reported in upstream’s words', async () => {
    const sync = syncOf(release, 'no-class')
    await kube.create(resources.secretSyncs, { ...sync, spec: { ...sync.spec, secretProviderClassName: 'gone' } })
    assert.equal(
      await failed(release, 'no-class', 'SecretProviderClassMisconfigured'),
      'failed to get SecretProviderClass "gone": secretproviderclass.secrets-store.csi.x-k8s.io "gone" not found',
    )
    assert.equal(
      await condition(release, 'no-class', 'SecretCreated', 'False', 'SecretProviderClassMisconfigured'),
      'failed to get SecretProviderClass "gone": SecretProviderClass.secrets-store.csi.x-k8s.io "gone" not found',
    )
  })

  await t.test('the schema refuses what upstream’s refuses, in its words', async () => {
    for (const [what, spec, message] of invalid) {
      const sync = syncOf(release, 'invalid')
      const wrong = { ...sync, spec: { ...sync.spec, ...spec } } as SecretSync
      await assert.rejects(kube.create(resources.secretSyncs, wrong), (error) => String(error).includes(message), what)
    }
    const valid = syncOf(release, 'valid', {
      type: 'ValidSecretType',
      labels: { 'just.a/normal.label': 'and-its-value' },
    })
    valid.spec.secretSyncControllerName = 'there appears to be no validation on this field'
    valid.spec.forceSynchronization = 'ThisOneShouldBeCapableOfUpperCases-AndAlsoDates.1989-11-17'
    await kube.create(resources.secretSyncs, valid)
  })

  await t.test(
    'a Secret that exists and is not ours is never adopted, and the condition names what to do',
    async () => {
      const metadata = { namespace, name: 'taken' }
      await kube.create(resources.secrets, { apiVersion: 'v1', kind: 'Secret', metadata, data: { other: 'eA==' } })
      await kube.create(resources.secretSyncs, syncOf(release, 'taken'))
      assert.match(
        await failed(release, 'taken', 'ControllerPatchError'),
        /^failed to patch secret "taken": .*denied request: secrets-store-sync-controller has failed to UPDATE .*\[secret-not-ours\]$/s,
      )
      const { data: found } = await kube.get(resources.secrets, metadata)
      assert.deepEqual(found, { other: 'eA==' })
      await kube.delete(resources.secretSyncs, metadata)
    },
  )

  await t.test('a class that names a consenting service account gets its Secrets, also past the policies', async () => {
    const secretObjects = [{ secretName: 'of-class', type: 'Opaque', data: [{ objectName: 'db', key: 'password' }] }]
    const annotate = (annotations: Record<string, string>) => ({ metadata: { annotations } })
    const app = { namespace, name: 'app' }
    await kube.patch(resources.serviceAccounts, app, annotate({ 'keymount.dev/sync-classes': 'app' }))
    await kube.patch(resources.secretProviderClasses, app, {
      ...annotate({ 'keymount.dev/sync-service-account': 'app' }),
      spec: { secretObjects },
    })
    await until('the Secret', async () => (await valueOfSecret(release, 'of-class')) === 'second')
    await release.setSecret('third')
    await until('the Secret to follow', async () => (await valueOfSecret(release, 'of-class')) === 'third')
    await kube.delete(resources.secrets, { namespace, name: 'of-class' })
    await until('the Secret to come back', async () => (await valueOfSecret(release, 'of-class')) === 'third')
  })

  await t.test('the controller’s account is refused everything else', async () => {
    const account = { namespace, name: 'secrets-store-sync-controller' }
    const { token } = await kube.createToken(account, { audiences: [], expirationSeconds: 600 })
    const { cert: _, key: __, ...config } = loadKubeconfig(process.env.KUBECONFIG ?? '')
    const controller = createKubeClient({ ...config, token: async () => token })
    t.after(() => controller.close())
    const owner = { apiVersion: 'secret-sync.x-k8s.io/v1alpha1', kind: 'SecretSync', name: 'own', uid: 'u' }
    const secret = (name: string, extra: Partial<Secret> = {}, owners = [owner]): Secret => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { namespace, name, ...(owners.length === 0 ? {} : { ownerReferences: owners }) },
      type: 'Opaque',
      ...extra,
    })
    await kube.create(resources.secrets, secret('foreign', {}, []))
    const refused: Record<string, () => Promise<unknown>> = {
      'read a Secret': () => controller.get(resources.secrets, { namespace, name: 'app-db' }),
      'list Secrets': () => controller.list(resources.secrets, { namespace }),
      'delete a Secret': () => controller.delete(resources.secrets, { namespace, name: 'app-db' }),
      'create a Secret without an owner': () => controller.create(resources.secrets, secret('none', {}, [])),
      'create a Secret for another SecretSync': () => controller.create(resources.secrets, secret('other')),
      'create a token Secret': () => {
        const token = secret('own', { type: 'kubernetes.io/service-account-token' })
        token.metadata.annotations = { 'kubernetes.io/service-account.name': 'default' }
        return controller.create(resources.secrets, token)
      },
      'change a foreign Secret': () =>
        controller.patch(resources.secrets, { namespace, name: 'foreign' }, { data: { a: 'eA==' } }),
      'get a token of another audience': () =>
        controller.createToken(
          { namespace, name: 'app' },
          { audiences: ['https://kubernetes.default.svc'], expirationSeconds: 600 },
        ),
      'get a token of another lifetime': () =>
        controller.createToken(
          { namespace, name: 'app' },
          { audiences: ['api://AzureADTokenExchange'], expirationSeconds: 3600 },
        ),
      'change a spec': () =>
        controller.patch(
          resources.secretSyncs,
          { namespace, name: 'app-db' },
          { spec: { serviceAccountName: 'default' } },
        ),
      'change a foreign annotation': () =>
        controller.patch(
          resources.secretSyncs,
          { namespace, name: 'app-db' },
          { metadata: { annotations: { x: 'y' } } },
        ),
      'read pods': () => controller.list(resources.pods, { namespace }),
    }
    for (const [what, attempt] of Object.entries(refused)) {
      await assert.rejects(attempt, (error) => isForbidden(error) || /denied request/.test(String(error)), what)
    }
    const policy = 'secrets-store-sync-controller-create-update-policy'
    const denied = `is forbidden: ValidatingAdmissionPolicy '${policy}' with binding '${policy}-binding' denied request: `
    const onlyTypes = `in the ${namespace} namespace. The controller can only create or update secrets in the allowed types list with a single secretsync owner.`
    const ofOwner = (name: string, version = 'v1', kind = 'SecretSync') => ({
      ...{ apiVersion: `secret-sync.x-k8s.io/${version}`, kind, name, uid: 'someuid' },
    })
    const texts: [Secret, string][] = [
      [
        secret('no-owner-refs', {}, []),
        `${denied}expression 'variables.allowedSecretTypes == true && variables.hasOneSecretSyncOwner == true' resulted in error: composited variable "hasOneSecretSyncOwner" fails to evaluate: no such key: ownerReferences`,
      ],
      [
        secret('wrong-kind', {}, [ofOwner('wrong-kind', 'v1', 'User')]),
        `${denied}secrets-store-sync-controller has failed to CREATE secret with Opaque type ${onlyTypes}`,
      ],
      [
        secret('two-owner-refs', {}, [
          ofOwner('two-owner-refs'),
          { ...ofOwner('two-owner-refs', 'v1alpha'), uid: 'other' },
        ]),
        `${denied}secrets-store-sync-controller has failed to CREATE secret with Opaque type ${onlyTypes}`,
      ],
      [
        secret('type-not-allowed', { type: 'very.random/custom-type' }, [ofOwner('type-not-allowed')]),
        `${denied}secrets-store-sync-controller has failed to CREATE secret with very.random/custom-type type ${onlyTypes}`,
      ],
    ]
    for (const [wrong, text] of texts) {
      const expected = `secrets "${wrong.metadata.name}" ${text}`
      await assert.rejects(
        controller.create(resources.secrets, wrong),
        (error) => String(error).includes(expected),
        expected,
      )
    }
    // Not even with more rights.
    await kube.create(roleBindings, {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { namespace, name: 'sync-controller-edit' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'edit' },
      subjects: [{ kind: 'ServiceAccount', ...account }],
    })
    await until('the policy against deletions', async () => {
      const error = await controller
        .delete(resources.secrets, { namespace, name: 'foreign' })
        .catch((one: unknown) => one)
      return String(error).includes(
        `secrets "foreign" is forbidden: ValidatingAdmissionPolicy 'secrets-store-sync-controller-delete-policy' with binding 'secrets-store-sync-controller-delete-policy-binding' denied request: secrets-store-sync-controller has failed to DELETE secrets in the ${namespace} namespace. The controller is not allowed to delete secrets.`,
      )
    })
    await kube.delete(roleBindings, { namespace, name: 'sync-controller-edit' })
    await controller.patch(
      resources.secretSyncs,
      { namespace, name: 'app-db' },
      { metadata: { annotations: { 'keymount.dev/last-check': 'now' } } },
    )
  })

  await kube.delete(resources.secretSyncs, { namespace, name: 'app-db' })
  await until('the Secret to go', async () => (await valueOfSecret(release, 'app-db')) === undefined)
})

const roleBindings: Resource<UntypedObject> = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  plural: 'rolebindings',
  kind: 'RoleBinding',
  namespaced: true,
}

type SecretObject = SecretSync['spec']['secretObject']

const policyText =
  "is forbidden: ValidatingAdmissionPolicy 'secrets-store-sync-controller-create-update-policy' with binding " +
  "'secrets-store-sync-controller-create-update-policy-binding' denied request: secrets-store-sync-controller has failed to CREATE secret with"

const nameRule =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character " +
  "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"

/** What upstream's own suite expects of the conditions: a SecretSync, and the rest of the message. */
const failures: [string, string, Partial<SecretObject>, string][] = [
  [
    'a type that is not allowed',
    'custom',
    { type: 'example.com/api-credentials' },
    `secrets "custom" ${policyText} example.com/api-credentials type in the NAMESPACE namespace. The controller can only create or update secrets in the allowed types list with a single secretsync owner.`,
  ],
  [
    'a service account token',
    'token',
    { type: 'kubernetes.io/service-account-token', annotations: { 'kubernetes.io/service-account.name': 'default' } },
    `secrets "token" ${policyText} kubernetes.io/service-account-token type in the NAMESPACE namespace. The controller is not allowed to create or update secrets with this type.`,
  ],
  [
    'an invalid annotation',
    'annotation',
    { annotations: { 'my.annotation/with_invalid_characters!': 'x' } },
    `Secret "annotation" is invalid: metadata.annotations: Invalid value: "my.annotation/with_invalid_characters!": ${nameRule}`,
  ],
  [
    'an invalid label',
    'label',
    { labels: { 'invalid/key_with_invalid_characters!': 'x' } },
    `Secret "label" is invalid: metadata.labels: Invalid value: "invalid/key_with_invalid_characters!": ${nameRule}`,
  ],
]

const data = [{ sourcePath: 'db', targetKey: 'password' }]
const dnsRule = "in body should match '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'"

/** What upstream's schema refuses: fields of the spec, and a part of the message. */
const invalid: [string, object, string][] = [
  ['no data', { secretObject: { type: 'custom.type' } }, 'spec.secretObject.data: Required value'],
  ['empty data', { secretObject: { data: [] } }, 'spec.secretObject.data in body should have at least 1 items'],
  [
    'a type with a space',
    { secretObject: { type: 'TypeWith ASpace', data } },
    'spec.secretObject.type: Invalid value: "TypeWith ASpace": spec.secretObject.type in body should match \'^[^\\s]+$\'',
  ],
  ['a class name', { secretProviderClassName: 'oh noes!<-invalid' }, `spec.secretProviderClassName ${dnsRule}`],
  ['an account name', { serviceAccountName: 'defa:ult' }, `spec.serviceAccountName ${dnsRule}`],
  [
    'a request to sync',
    { forceSynchronization: '</div>' },
    "spec.forceSynchronization in body should match '^[A-Za-z0-9]([-A-Za-z0-9]+([-._a-zA-Z0-9]?[A-Za-z0-9])*)?$'",
  ],
  [
    'a long label',
    { secretObject: { data, labels: { 'my.label': 'x'.repeat(64) } } },
    'Label keys must not exceed 317 characters (254 for prefix+separator, 63 for name), label values must not exceed 63 characters.',
  ],
  [
    'a long annotation',
    { secretObject: { data, annotations: { ['x'.repeat(318)]: 'y' } } },
    'Annotations keys must not exceed 317 characters (254 for prefix+separator, 63 for name), annotation values must not exceed 256 kB.',
  ],
  [
    'a reserved label',
    { secretObject: { data, labels: { 'secrets-store.sync.x-k8s.io/x': 'y' } } },
    'Labels should not contain secrets-store.sync.x-k8s.io. This key is reserved for the controller.',
  ],
  [
    'a reserved annotation',
    { secretObject: { data, annotations: { 'secrets-store.sync.x-k8s.io/x': 'y' } } },
    'Annotations should not contain secrets-store.sync.x-k8s.io. This key is reserved for the controller.',
  ],
]

function syncOf(
  { namespace }: HelmRelease,
  name: string,
  object: Partial<SecretSync['spec']['secretObject']> = {},
): SecretSync {
  return {
    apiVersion: 'secret-sync.x-k8s.io/v1alpha1',
    kind: 'SecretSync',
    metadata: { namespace, name },
    spec: {
      secretProviderClassName: 'app',
      serviceAccountName: 'app',
      secretObject: { type: 'Opaque', data: [{ sourcePath: 'db', targetKey: 'password' }], ...object },
    },
  }
}

async function valueOfSecret({ kube, namespace }: HelmRelease, name: string): Promise<string | undefined> {
  const secret = await ifFound(kube.get(resources.secrets, { namespace, name }))
  return secret === undefined ? undefined : Buffer.from(secret.data?.password ?? '', 'base64').toString('utf8')
}

function ready(release: HelmRelease, name: string): Promise<string> {
  return condition(release, name, 'Ready', 'True', 'SecretUpToDate')
}

/** The message of the failure, which newer releases of upstream report at `SecretUpdated`. */
function failed(release: HelmRelease, name: string, reason: string): Promise<string> {
  return condition(release, name, 'SecretUpdated', 'False', reason)
}

function condition(
  { kube, namespace }: HelmRelease,
  name: string,
  type: string,
  status: string,
  reason: string,
): Promise<string> {
  return until(`${name}: ${type}=${status} ${reason}`, async () => {
    const { conditions = [] } = (await kube.get(resources.secretSyncs, { namespace, name })).status ?? {}
    const found = conditions.find((one) => one.type === type)
    if (found?.status !== status || found.reason !== reason) throw new Error(JSON.stringify(conditions))
    return found.message
  })
}
