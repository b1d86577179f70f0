import assert from 'node:assert/strict'
import { test } from 'node:test'
import { webhookNames, webhookProgram } from '#product/webhook'
import { configOf } from '../../support/config-of.ts'
import { type Manifest, needsHelm, type Rule, template } from './helm.ts'

const alone = { driver: { install: false }, provider: { install: false } }
const render = (values: object = {}) =>
  template({ ...alone, webhook: { enabled: true, azureTenantID: 'contoso.com', ...values } })

function only(objects: Manifest[], kind: string): Manifest {
  const [found, ...more] = objects.filter((object) => object.kind === kind)
  assert.ok(found !== undefined && more.length === 0, `one ${kind}`)
  return found
}

interface PodTemplate {
  spec: {
    containers: {
      args: string[]
      env: { name: string; value?: string }[]
      ports: { containerPort: number }[]
      securityContext: object
    }[]
  }
}

function containerOf(objects: Manifest[]) {
  const { template: pods } = only(objects, 'Deployment').spec as { template: PodTemplate }
  const [container] = pods.spec.containers
  assert.ok(container !== undefined)
  return container
}

test('the webhook is installed under the names that it looks for itself', needsHelm, async () => {
  const objects = await render()
  assert.equal(only(objects, 'MutatingWebhookConfiguration').metadata.name, webhookNames.configuration)
  assert.equal(only(objects, 'Service').metadata.name, webhookNames.service)
  const secret = only(objects, 'Secret')
  assert.equal(secret.metadata.name, webhookNames.secret)
  assert.equal(secret.data, undefined, 'an upgrade must leave the certificate alone')
  assert.match(only(objects, 'Deployment').metadata.name, /workload-identity-webhook/)
  for (const { metadata } of objects) assert.equal(metadata.labels?.['azure-workload-identity.io/system'], 'true')
})

const proxyEnvironment = (objects: Manifest[]) =>
  Object.fromEntries(
    containerOf(objects)
      .env.filter(({ name }) => name.startsWith('PROXY_'))
      .map(({ name, value }) => [name, value]),
  )

test('the proxy sidecar is the image of the release, unless another one is named', needsHelm, async () => {
  const linux = { image: { repository: 'registry/keymount', tag: '1' } }
  const own = await template({ ...alone, linux, webhook: { enabled: true, azureTenantID: 'contoso.com' } })
  assert.partialDeepStrictEqual(proxyEnvironment(own), {
    PROXY_IMAGE: 'registry/keymount:1',
    PROXY_INIT_IMAGE: 'registry/keymount:1',
  })
  const none = { resources: null, initResources: null }
  const named = await render({
    proxy: { ...none, image: 'a', initImage: 'b', extraArgs: ['--token-cache-ttl=1m', '--log-level=debug'] },
    extraEnv: [{ name: 'PROXY_IMAGE', value: 'the way of upstream' }],
  })
  assert.deepEqual(proxyEnvironment(named), {
    PROXY_IMAGE: 'the way of upstream',
    PROXY_INIT_IMAGE: 'b',
    PROXY_ARGS: '--token-cache-ttl=1m --log-level=debug',
  })
})

test('the proxy sidecar and its init step have resources, which values change', needsHelm, async () => {
  const limits = { memory: '64Mi' }
  const objects = await render({ proxy: { initResources: { requests: null, limits } } })
  const config = configOf(webhookProgram, [], { AZURE_TENANT_ID: 'tenant', ...proxyEnvironment(objects) })
  const { resources, initResources } = config.webhook.settings.proxy
  assert.deepEqual(resources, { requests: { cpu: '10m', memory: '32Mi' }, limits: { memory: '128Mi' } })
  assert.deepEqual(initResources, { limits })
})

test('a NetworkPolicy lets only the API servers call the webhook', needsHelm, async () => {
  assert.equal(
    (await render()).find(({ kind }) => kind === 'NetworkPolicy'),
    undefined,
  )
  await assert.rejects(render({ networkPolicy: { enabled: true } }), /webhook\.networkPolicy\.apiServerCIDRs is empty/)
  const metricsFrom = [{ namespaceSelector: { matchLabels: { name: 'monitoring' } } }]
  const objects = await render({ networkPolicy: { enabled: true, apiServerCIDRs: ['10.0.0.4/32'], metricsFrom } })
  const { spec } = only(objects, 'NetworkPolicy') as unknown as { spec: { podSelector: object; ingress: object[] } }
  assert.deepEqual(spec.ingress, [
    { from: [{ ipBlock: { cidr: '10.0.0.4/32' } }], ports: [{ port: 'webhook-server' }] },
    { ports: [{ port: 'healthz' }] },
    { from: metricsFrom, ports: [{ port: 'metrics' }] },
  ])
  const { selector } = only(objects, 'Service').spec as { selector: object }
  assert.deepEqual(spec.podSelector, { matchLabels: selector })
})

test('a client certificate of the API server is required where a ConfigMap has its authority', needsHelm, async () => {
  const { args } = containerOf(await render({ clientCertificate: { caConfigMap: 'ca', names: ['a', 'b'] } }))
  assert.ok(args.includes('--client-ca-file=/client-ca/ca.crt') && args.includes('--client-names=a,b'))
  assert.ok(!containerOf(await render()).args.some((word) => word.startsWith('--client-')))
})

test(
  'admission policies restrict the accounts of the installed parts, where the API server has them',
  needsHelm,
  async () => {
    const kind = 'admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy'
    const policies = async (values: object, apiVersions = [kind]) =>
      (await template(values, { apiVersions }))
        .filter((object) => object.kind === 'ValidatingAdmissionPolicy')
        .map(({ metadata }) => metadata.name)
    const webhook = { enabled: true, azureTenantID: 'contoso.com' }
    const all = ['secretprovidersyncing-fence', 'secretproviderclasspodstatuses-fence', 'azure-wi-webhook-fence']
    assert.deepEqual((await policies({ webhook })).toSorted(), all.toSorted())
    assert.deepEqual(await policies({ ...alone, webhook }), ['azure-wi-webhook-fence'])
    assert.deepEqual(await policies({ webhook, policies: { fence: false } }), [])
    assert.deepEqual(await policies({ webhook }, []), [])
  },
)

test('the proxy sidecar goes the way of proxySettings, and trusts what it trusts', needsHelm, async () => {
  const proxySettings = {
    httpsProxy: 'http://proxy:3128',
    noProxy: 'a,b',
    proxyCert: '-----BEGIN CERTIFICATE-----\nx\n',
  }
  const objects = await template({ ...alone, proxySettings, webhook: { enabled: true, azureTenantID: 'contoso.com' } })
  const config = configOf(webhookProgram, [], { AZURE_TENANT_ID: 'tenant', ...proxyEnvironment(objects) })
  assert.deepEqual(config.webhook.settings.proxy.env, [
    { name: 'HTTPS_PROXY', value: 'http://proxy:3128' },
    { name: 'KEYMOUNT_EXTRA_CA', value: '-----BEGIN CERTIFICATE-----\nx\n' },
    { name: 'NO_PROXY', value: 'a,b' },
  ])
})

test(
  'the webhook configuration is that of upstream without its rules, and its failure policy is a value',
  needsHelm,
  async () => {
    const { webhooks } = only(await render({ failurePolicy: 'Ignore' }), 'MutatingWebhookConfiguration') as unknown as {
      webhooks: object[]
    }
    assert.deepEqual(webhooks, [
      {
        name: 'mutation.azure-workload-identity.io',
        admissionReviewVersions: ['v1', 'v1beta1'],
        clientConfig: { service: { name: webhookNames.service, namespace: 'kube-system', path: '/mutate-v1-pod' } },
        failurePolicy: 'Ignore',
        matchPolicy: 'Equivalent',
        reinvocationPolicy: 'IfNeeded',
        sideEffects: 'None',
        timeoutSeconds: 10,
        namespaceSelector: {},
        objectSelector: { matchLabels: { 'azure.workload.identity/use': 'true' } },
      },
    ])
  },
)

test(
  'classes are checked by a configuration that accepts every class while no replica answers',
  needsHelm,
  async () => {
    const configuration = only(await render(), 'ValidatingWebhookConfiguration')
    assert.equal(configuration.metadata.name, webhookNames.classConfiguration)
    assert.deepEqual(configuration.webhooks, [
      {
        name: 'classes.keymount.dev',
        admissionReviewVersions: ['v1', 'v1beta1'],
        clientConfig: {
          service: { name: webhookNames.service, namespace: 'kube-system', path: '/validate-secretproviderclass' },
        },
        failurePolicy: 'Ignore',
        matchPolicy: 'Equivalent',
        sideEffects: 'None',
        timeoutSeconds: 5,
        namespaceSelector: {},
      },
    ])
  },
)

test('a webhook that changes no configuration has its rules in the manifests', needsHelm, async () => {
  const objects = await render({ extraArgs: ['--disable-cert-rotation'] })
  const rules = ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'].map((kind) => {
    const [webhook] = only(objects, kind).webhooks as { rules: object[] }[]
    return webhook?.rules
  })
  assert.deepEqual(rules, [
    [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'], scope: '*' }],
    [
      {
        apiGroups: ['secrets-store.csi.x-k8s.io'],
        apiVersions: ['v1'],
        operations: ['CREATE', 'UPDATE'],
        resources: ['secretproviderclasses'],
        scope: '*',
      },
    ],
  ])
})

test('class checks warn, refuse or are off, and then nothing of them is there', needsHelm, async () => {
  const modeOf = async (classChecks: object) => {
    const objects = await render({ classChecks })
    const { args, env } = containerOf(objects)
    const environment = Object.fromEntries(env.map(({ name, value = '' }) => [name, value]))
    const config = configOf(webhookProgram, args.slice(1), environment)
    const traces = JSON.stringify(objects).match(/keymount-class-checks|validatingwebhook/gi)
    return [config.webhook.classChecks, traces !== null]
  }
  assert.deepEqual(await modeOf({}), ['warn', true])
  assert.deepEqual(await modeOf({ refuse: true }), ['refuse', true])
  assert.deepEqual(await modeOf({ enabled: false }), ['off', false])
})

test('two replicas serve, one of which is always there, and nothing is asked of a leader', needsHelm, async () => {
  const objects = await render()
  const { spec } = only(objects, 'Deployment') as unknown as {
    spec: { replicas: number; strategy: { rollingUpdate: object }; selector: { matchLabels: object } }
  }
  assert.equal(spec.replicas, 2)
  assert.deepEqual(spec.strategy.rollingUpdate, { maxSurge: 1, maxUnavailable: 0 })
  const budget = only(objects, 'PodDisruptionBudget').spec as { selector: object }
  assert.deepEqual(budget, { minAvailable: 1, selector: { matchLabels: spec.selector.matchLabels } })
  assert.ok(!JSON.stringify(objects).includes('leases'))
})

interface SpreadConstraint {
  topologyKey: string
  labelSelector: { matchLabels: Record<string, string> }
}

test(
  'replicas are on different nodes and zones, if they can, and an update counts only its own',
  needsHelm,
  async () => {
    const { selector, template: pods } = only(await render(), 'Deployment').spec as {
      selector: { matchLabels: Record<string, string> }
      template: { spec: { topologySpreadConstraints: SpreadConstraint[] } }
    }
    const constraints = pods.spec.topologySpreadConstraints
    assert.deepEqual(
      constraints.map(({ topologyKey }) => topologyKey),
      ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'],
    )
    for (const constraint of constraints) {
      assert.partialDeepStrictEqual(constraint, {
        whenUnsatisfiable: 'ScheduleAnyway',
        matchLabelKeys: ['pod-template-hash'],
      })
      assert.partialDeepStrictEqual(selector.matchLabels, constraint.labelSelector.matchLabels)
    }
  },
)

test('the webhook may touch its own Secret and configurations only', needsHelm, async () => {
  const objects = await render()
  const rules = ['Role', 'ClusterRole'].flatMap(
    (kind) => only(objects, kind).rules as (Rule & { resourceNames?: string[] })[],
  )
  const reading = ['get', 'list', 'watch']
  for (const { resources, verbs, resourceNames } of rules) {
    const writes = verbs.some((verb) => !reading.includes(verb))
    if (writes || resources.includes('secrets')) assert.ok(resourceNames?.length === 1, `${resources} by name`)
    assert.ok(!verbs.includes('create') && !verbs.includes('*'))
  }
})

test('values become the configuration of the process', needsHelm, async () => {
  const customTokenEndpoint = {
    annotationSuffix: 'identity-binding',
    audience: 'api://AKSIdentityBinding',
    azureKubernetesTokenProxy: 'https://kubernetes.default.svc',
    azureKubernetesCAConfigMapName: 'kube-root-ca.crt',
  }
  const values = {
    customTokenEndpoint,
    legacyTokenPath: true,
    azureEnvironment: 'AzureChinaCloud',
    serviceAccountSelector: 'a=b',
  }
  const { args, env } = containerOf(await render(values))
  const environment = Object.fromEntries(env.map(({ name, value = '' }) => [name, value]))
  const config = configOf(webhookProgram, args.slice(1), environment)
  assert.equal(config.webhook.serviceAccountSelector, 'a=b')
  assert.partialDeepStrictEqual(config.webhook.settings, {
    tenantId: 'contoso.com',
    authorityHost: 'https://login.chinacloudapi.cn/',
    legacyTokenPath: true,
    tokenEndpoint: {
      annotation: 'azure.workload.identity/use-identity-binding',
      audience: 'api://AKSIdentityBinding',
      proxyUrl: 'https://kubernetes.default.svc',
      trust: { kind: 'configMap', name: 'kube-root-ca.crt' },
    },
  })
})

test('on the network of the nodes the webhook has the ports that are free there', needsHelm, async () => {
  const objects = await render({ hostNetwork: true, port: 10443, healthPort: 10440, metricsAddr: ':10095' })
  const { args, env, ports } = containerOf(objects)
  const environment = Object.fromEntries(env.map(({ name, value = '' }) => [name, value]))
  const config = configOf(webhookProgram, args.slice(1), environment)
  const { address, healthAddress, metricsAddress } = config.webhook
  const listened = [address.port, healthAddress?.port, metricsAddress?.port]
  assert.deepEqual(listened, [10443, 10440, 10095])
  assert.deepEqual(
    ports.map(({ containerPort }) => containerPort),
    listened,
  )
  const { template: pods } = only(objects, 'Deployment').spec as { template: { spec: object } }
  assert.partialDeepStrictEqual(pods.spec, { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' })
})

test('without a tenant the chart is refused', needsHelm, async () => {
  await assert.rejects(render({ azureTenantID: '' }), /A valid .Values.webhook.azureTenantID entry required!/)
})
