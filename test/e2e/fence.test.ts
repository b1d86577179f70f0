import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import {
  createKubeClient,
  isForbidden,
  isNotFound,
  type KubeClient,
  type KubeConfig,
  loadKubeconfig,
  type Resource,
  resources,
  type Secret,
  type SecretProviderClassPodStatus,
  type UntypedObject,
} from '#kubernetes/client'
import { type Manifest, template } from '../packaging/charts/helm.ts'
import { until } from '../support/eventually.ts'
import { startLocalCluster } from '../support/local-cluster.ts'
import { isRealCluster, noHelm } from './real-cluster-only.ts'

/**
 * What the accounts of the chart can do, with its roles and its admission policies: each is used by its
 * token, as a thief of the token would, and is refused everything but its work.
 */
const options = noHelm === undefined ? {} : { skip: noHelm }

const managed = 'secrets-store.csi.k8s.io/managed'
const nodeLabel = 'internal.secrets-store.csi.k8s.io/node-name'
const configurationName = 'azure-wi-webhook-mutating-webhook-configuration'
const policyKind = 'admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy'
const configurations: Resource<UntypedObject> = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  plural: 'mutatingwebhookconfigurations',
  kind: 'MutatingWebhookConfiguration',
  namespaced: false,
}

interface Fence {
  kube: KubeClient
  namespace: string
  node: string
  /** Name of the CSIDriver object. */
  driverName: string
  /** A client with the token of the account whose name ends so, as a pod on the node has it. */
  as(account: string): Promise<KubeClient>
}

/** The accounts, roles and policies of the chart, without the workloads that use them. */
async function installAccounts(t: TestContext): Promise<Fence> {
  const config = loadKubeconfig(await kubeconfig(t), { environment: process.env })
  const kube = createKubeClient(config)
  t.after(() => kube.close())
  const unique = randomBytes(3).toString('hex')
  const namespace = `e2e-fence-${unique}`
  await kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  // A local cluster goes as a whole.
  if (isRealCluster) t.after(() => kube.delete(resources.namespaces, { name: namespace }))
  const values = {
    driver: { name: `e2e-${unique}.csi.keymount.dev` },
    syncSecret: { enabled: true },
    webhook: { enabled: true, azureTenantID: 'contoso.com' },
    podIdentity: { enabled: true, rbac: { allowAccessToSecrets: true } },
    events: {
      enabled: true,
      queue: 'https://account.queue.core.windows.net/keymount',
      clientID: 'c',
      tenantID: 't',
      vaults: ['shop'],
      quietPollInterval: '24h',
    },
    statusInterval: { enabled: true },
  }
  const rendered = await template(values, { namespace, apiVersions: [policyKind] })
  const kinds =
    /^(ServiceAccount|CSIDriver|(Cluster)?Role(Binding)?|CustomResourceDefinition|ValidatingAdmissionPolicy(Binding)?|MutatingWebhookConfiguration)$/
  for (const object of rendered.filter(({ kind }) => kinds.test(kind))) await install(t, kube, object)
  const node = await nodeOf(kube)
  const accounts = rendered.filter(({ kind }) => kind === 'ServiceAccount').map(({ metadata }) => metadata.name)
  return {
    kube,
    namespace,
    node,
    driverName: values.driver.name,
    as(suffix) {
      const account = accounts.find((name) => name.endsWith(suffix))
      assert.ok(account !== undefined, `no account ${suffix} among ${accounts.join(', ')}`)
      return clientOf(t, { kube, config, namespace, node, account })
    },
  }
}

/** Of the real cluster in `npm run e2e`, else of a local one. */
async function kubeconfig(t: TestContext): Promise<string> {
  return isRealCluster ? (process.env.KUBECONFIG ?? '') : (await startLocalCluster(t, { node: false })).kubeconfig
}

async function nodeOf(kube: KubeClient): Promise<string> {
  const { items } = await kube.list(resources.nodes)
  const node = items[0] ?? (await kube.create(resources.nodes, localNode))
  return node.metadata.name ?? ''
}

/** Tokens name the node of their pod. It runs nothing. */
const localNode = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-of-the-test' } }

async function install(t: TestContext, kube: KubeClient, object: Manifest): Promise<void> {
  const [group = '', version] = object.apiVersion.includes('/') ? object.apiVersion.split('/') : ['', object.apiVersion]
  const resource: Resource<UntypedObject> = {
    group,
    version: version ?? '',
    plural: `${object.kind.toLowerCase()}s`.replace(/ys$/, 'ies'),
    kind: object.kind,
    namespaced: object.metadata.namespace !== undefined,
  }
  await kube.apply(resource, object as UntypedObject, { fieldManager: 'e2e' })
  // Definitions stay, as after helm: other cases have objects of their kinds.
  if (object.kind === 'CustomResourceDefinition' || !isRealCluster) return
  const { name, namespace } = object.metadata
  t.after(() =>
    kube.delete(resource, { name, namespace }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error
    }),
  )
}

/** The token is bound to a pod on the node; the pod need not run. */
async function clientOf(
  t: TestContext,
  {
    kube,
    config: admin,
    namespace,
    node,
    account,
  }: Omit<Fence, 'as' | 'driverName'> & { config: KubeConfig; account: string },
): Promise<KubeClient> {
  const name = `holder-of-${account}`
  const { metadata } = await kube.create(resources.pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name },
    spec: { nodeName: node, serviceAccountName: account, containers: [{ name: 'none', image: 'none.invalid/none' }] },
  })
  const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name, uid: metadata.uid ?? '' }
  const spec = { audiences: [], expirationSeconds: 600, boundObjectRef }
  const { token } = await kube.createToken({ namespace, name: account }, spec)
  const { cert: _, key: __, ...config } = admin
  const client = createKubeClient({ ...config, token: async () => token })
  t.after(() => client.close())
  return client
}

type Attempts = Record<string, () => Promise<unknown>>

async function areRefused(t: TestContext, attempts: Attempts): Promise<void> {
  for (const [what, attempt] of Object.entries(attempts)) {
    await t.test(`may not ${what}`, async () => {
      await assert.rejects(attempt(), (error: unknown) => isForbidden(error) || assert.fail(String(error)))
    })
  }
}

/** What no account of ours is for, whatever its work. */
function foreignWork({ namespace, node }: Fence, client: KubeClient): Attempts {
  const metadata = { namespace, name: 'stolen' }
  const account = { namespace, name: 'default' }
  const pod = { nodeName: node, serviceAccountName: 'default', containers: [{ name: 'a', image: 'a' }] }
  return {
    'list Secrets': () => client.list(resources.secrets),
    'create a pod': () => client.create(resources.pods, { apiVersion: 'v1', kind: 'Pod', metadata, spec: pod }),
    'make a token of another account': () => client.createToken(account, { audiences: [] }),
    'read a ConfigMap': () => client.get(resources.configMaps, { namespace, name: 'kube-root-ca.crt' }),
    'change a node': () => client.patch(resources.nodes, { name: node }, { metadata: { labels: { stolen: 'yes' } } }),
    'bind itself to a role': () =>
      client.create(resources.clusterRoleBindings, {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRoleBinding',
        metadata: { name: 'stolen' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
        subjects: [{ kind: 'ServiceAccount', ...account }],
      }),
    'delete a policy': () =>
      client.delete(
        { ...configurations, plural: 'validatingadmissionpolicies', kind: 'ValidatingAdmissionPolicy' },
        { name: 'azure-wi-webhook-fence' },
      ),
  }
}

function secretOf(namespace: string, name: string, more: Partial<Secret> = {}, label = true): Secret {
  const labels = label ? { [managed]: 'true' } : {}
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace, name, labels, ...more.metadata },
    type: 'Opaque',
    ...more,
  }
}

function statusOf({ namespace }: Fence, name: string, node: string): SecretProviderClassPodStatus {
  return {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClassPodStatus',
    metadata: { namespace, name, labels: { [nodeLabel]: node } },
    status: { podName: 'p', secretProviderClassName: 'c', targetPath: '/t', mounted: true, objects: [] },
  }
}

test('an account of the chart does its work and is refused everything else', options, async (t) => {
  const fence = await installAccounts(t)
  const { kube, namespace, node, driverName } = fence

  await t.test("the driver's", async (t) => {
    const driver = await fence.as('secrets-store-csi-driver')
    const apply = (secret: Secret) => driver.apply(resources.secrets, secret, { fieldManager: 'e2e' })
    await kube.create(resources.secrets, secretOf(namespace, 'foreign', {}, false))
    // A policy takes a moment to be in force.
    await until('the policies', async () => {
      const refused = await apply(secretOf(namespace, 'probe', {}, false)).then(() => false, isForbidden)
      return refused
    })
    await t.test('writes a Secret that it manages, and the status object of its node', async () => {
      await apply(secretOf(namespace, 'own', { data: { a: 'Yg==' } }))
      await apply(secretOf(namespace, 'own', { data: { a: 'Yw==' } }))
      const status = await driver.create(resources.secretProviderClassPodStatuses, statusOf(fence, 'own', node))
      const patch = { status: { mounted: false } }
      await driver.patch(
        resources.secretProviderClassPodStatuses,
        { namespace, name: status.metadata.name ?? '' },
        patch,
      )
    })
    const token = 'kubernetes.io/service-account-token'
    const annotations = { 'kubernetes.io/service-account.name': 'default' }
    const labelled = { metadata: { labels: { [managed]: 'true' } } }
    await areRefused(t, {
      ...foreignWork(fence, driver),
      'write a Secret without its label': () => apply(secretOf(namespace, 'plain', {}, false)),
      'make a Secret that becomes a token': () => {
        const metadata = { namespace, name: 'token', labels: { [managed]: 'true' }, annotations }
        return apply(secretOf(namespace, 'token', { type: token, metadata }))
      },
      'take over a Secret of another program': () =>
        driver.patch(resources.secrets, { namespace, name: 'foreign' }, { ...labelled, data: { a: 'Yg==' } }),
      'take the label off its own': () =>
        driver.patch(resources.secrets, { namespace, name: 'own' }, { metadata: { labels: { [managed]: null } } }),
      'delete a Secret of another program': () => driver.delete(resources.secrets, { namespace, name: 'foreign' }),
      'write a status object of another node': () =>
        driver.create(resources.secretProviderClassPodStatuses, statusOf(fence, 'other', 'another-node')),
      'change a class': () =>
        driver.patch(resources.secretProviderClasses, { namespace, name: 'app' }, { spec: { provider: 'x' } }),
      'change a webhook configuration': () =>
        driver.patch(configurations, { name: configurationName }, { metadata: { labels: { stolen: 'yes' } } }),
    })
  })

  await t.test("the operator's", async (t) => {
    const operator = await fence.as('keymount-operator')
    const ref = { namespace, name: 'app' }
    await kube.create(resources.secretProviderClasses, {
      apiVersion: 'secrets-store.csi.x-k8s.io/v1',
      kind: 'SecretProviderClass',
      metadata: { ...ref, annotations: { 'example.com/owner': 'shop' } },
      spec: { provider: 'azure', parameters: { keyvaultName: 'shop' } },
    })
    const annotate = (annotations: Record<string, string | null>) =>
      operator.patch(resources.secretProviderClasses, ref, { metadata: { annotations } })
    let number = 0
    await until('the policies', () =>
      annotate({ 'keymount.dev/rotate': String(++number) }).then(() => false, isForbidden),
    )
    const annotateDriver = (annotations: Record<string, string>) =>
      operator.patch(resources.csiDrivers, { name: driverName }, { metadata: { annotations } })
    await until('the policy for CSIDriver objects', () =>
      annotateDriver({ 'keymount.dev/other': String(++number) }).then(() => false, isForbidden),
    )
    await t.test('annotates classes and the CSIDriver object', async () => {
      await annotate({ 'keymount.dev/changed': '1' })
      await annotate({ 'keymount.dev/changed': '2' })
      await annotateDriver({ 'keymount.dev/status-interval': '10m' })
      await annotateDriver({ 'keymount.dev/events-confirmed': '{}' })
    })
    await areRefused(t, {
      ...foreignWork(fence, operator),
      'change the parameters of a class': () =>
        operator.patch(resources.secretProviderClasses, ref, { spec: { parameters: { keyvaultName: 'thief' } } }),
      'change the provider of a class': () =>
        operator.patch(resources.secretProviderClasses, ref, { spec: { provider: 'x' } }),
      'label a class': () => operator.patch(resources.secretProviderClasses, ref, { metadata: { labels: { a: 'b' } } }),
      'take an annotation off a class': () => annotate({ 'example.com/owner': null }),
      'delete a class': () => operator.delete(resources.secretProviderClasses, ref),
      'change the spec of the CSIDriver object': () =>
        operator.patch(resources.csiDrivers, { name: driverName }, { spec: { requiresRepublish: false } }),
      'change another CSIDriver object': () =>
        operator.patch(resources.csiDrivers, { name: 'other.csi.k8s.io' }, { metadata: { labels: { a: 'b' } } }),
      'read a status object': () => operator.get(resources.secretProviderClassPodStatuses, { namespace, name: 'own' }),
    })
  })

  await t.test("the webhook's", async (t) => {
    const webhook = await fence.as('azure-wi-webhook-admin')
    const change = (...patch: object[]) =>
      webhook.patch(configurations, { name: configurationName }, patch, { type: 'json' })
    let seconds = 1
    await until('the policies', () => {
      // Another value each time: one that changes nothing is not refused.
      seconds = (seconds % 20) + 1
      return change({ op: 'replace', path: '/webhooks/0/timeoutSeconds', value: seconds }).then(
        () => false,
        isForbidden,
      )
    })
    await t.test('sets the caBundle of its configuration', async () => {
      const caBundle = Buffer.from('-----BEGIN CERTIFICATE-----\n').toString('base64')
      const before = await kube.get(configurations, { name: configurationName })
      const changed = await change({ op: 'add', path: '/webhooks/0/clientConfig/caBundle', value: caBundle }).catch(
        (error: unknown) => String(error),
      )
      // The API server checks the text after the policies: that it is not a certificate is all that is wrong with it.
      if (typeof changed === 'string') assert.match(changed, /caBundle.*(certificate|PEM)/i)
      assert.equal((await kube.get(configurations, { name: configurationName })).kind, before.kind)
    })
    const ruleFor = (...resources: string[]) => ({
      apiGroups: [''],
      apiVersions: ['v1'],
      operations: ['CREATE'],
      resources,
      scope: '*',
    })
    const addRules = (...rules: object[]) => change({ op: 'add', path: '/webhooks/0/rules', value: rules })
    await areRefused(t, {
      'register for Secrets': () => addRules(ruleFor('secrets')),
      'register for more than pods': () => addRules(ruleFor('pods', 'secrets')),
      'register with a second rule': () => addRules(ruleFor('pods'), ruleFor('secrets')),
    })
    await t.test('registers itself for pods', async () => {
      const { webhooks } = await addRules(ruleFor('pods'))
      assert.partialDeepStrictEqual(webhooks, [{ rules: [ruleFor('pods')] }])
    })
    await areRefused(t, {
      ...foreignWork(fence, webhook),
      'widen its rules': () => change({ op: 'replace', path: '/webhooks/0/rules/0', value: ruleFor('secrets') }),
      'remove its rules': () => change({ op: 'remove', path: '/webhooks/0/rules' }),
      'drop its object selector': () => change({ op: 'remove', path: '/webhooks/0/objectSelector' }),
      'change where requests go': () =>
        change({ op: 'replace', path: '/webhooks/0/clientConfig/service/namespace', value: 'default' }),
      'send requests to a URL': () =>
        change({ op: 'replace', path: '/webhooks/0/clientConfig', value: { url: 'https://thief.example' } }),
      'add a webhook': async () => {
        const { webhooks } = await kube.get(configurations, { name: configurationName })
        const [first] = webhooks as object[]
        return change({
          op: 'add',
          path: '/webhooks/-',
          value: { ...first, name: 'second.azure-workload-identity.io' },
        })
      },
      'remove its webhook': () => change({ op: 'remove', path: '/webhooks/0' }),
      'delete its configuration': () => webhook.delete(configurations, { name: configurationName }),
      'write a Secret': () => webhook.create(resources.secrets, secretOf(namespace, 'webhook', {}, false)),
      'read a Secret that is not its own': () => webhook.get(resources.secrets, { namespace, name: 'foreign' }),
    })
  })

  for (const [what, account] of [
    ["the provider's", 'csi-secrets-store-provider-azure'],
    ["pod identity's controller's", 'aad-pod-identity-mic'],
    ["pod identity's node endpoint's", 'aad-pod-identity-nmi'],
  ] as const) {
    await t.test(what, async (t) => {
      const client = await fence.as(account)
      await areRefused(t, {
        ...foreignWork(fence, client),
        'write a Secret': () => client.create(resources.secrets, secretOf(namespace, 'by-thief', {}, false)),
        'change a webhook configuration': () =>
          client.patch(configurations, { name: configurationName }, { metadata: { labels: { stolen: 'yes' } } }),
        // Until the first upgrade, the controller creates the exceptions of the chart: in this namespace and in kube-system.
        'exempt pods from pod identity': () =>
          client.create(resources.azurePodIdentityExceptions, {
            apiVersion: 'aadpodidentity.k8s.io/v1',
            kind: 'AzurePodIdentityException',
            metadata: { namespace: account === 'aad-pod-identity-mic' ? 'default' : namespace, name: 'stolen' },
            spec: { podLabels: { a: 'b' } },
          }),
      })
    })
  }
})
