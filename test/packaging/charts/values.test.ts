import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { driverProgram } from '#product/driver'
import { installCheckProgram } from '#product/install-check'
import { nodeProgram } from '#product/node'
import { providerProgram } from '#product/provider'
import { uninstallCheckProgram } from '#product/uninstall-check'
import { configOf } from '../../support/config-of.ts'
import {
  chartDirectory,
  daemonSets,
  flagsOf,
  helm,
  type Manifest,
  needsHelm,
  type Rule,
  rulesFor,
  template,
} from './helm.ts'

const names = (objects: Manifest[], kind: string) =>
  objects.filter((object) => object.kind === kind).map(({ metadata }) => metadata.name)

/** As a user has to set it who has built an image. */
const windows = { enabled: true, image: { repository: 'registry.example/keymount-windows' } }

test('every flag of every way to install is one that the daemon takes', needsHelm, async () => {
  const ways = [
    {},
    { windows },
    { combined: true, windows },
    { linux: { bindAddress: '127.0.0.1' } },
    { combined: true, linux: { bindAddress: '127.0.0.1' } },
    { driver: { name: 'second.csi.example.com' } },
    { logVerbosity: 5, providerHealthCheck: true, linux: { customUserAgent: 'contoso shop/1.0' } },
    { maxCallRecvMsgSize: 16_777_216, rotationPollInterval: '1h30m' },
  ]
  const read = {
    driver: (flags: string[]) => configOf(driverProgram, flags),
    provider: (flags: string[]) => configOf(providerProgram, flags),
    node: (flags: string[]) => configOf(nodeProgram, flags),
  }
  for (const values of ways) {
    for (const { container } of daemonSets(await template(values))) {
      const [daemon, ...flags] = container.args
      assert.doesNotThrow(() => read[daemon as keyof typeof read](flags))
    }
  }
})

test('a value that the chart does not know is refused by its name', needsHelm, async () => {
  await assert.rejects(template({ linux: { driver: { resource: {} } } }), /resource/)
  await assert.rejects(template({ enableSecretsRotation: true }), /enableSecretsRotation/)
  await assert.rejects(template({ 'secrets-store-csi-driver': { install: false } }), /secrets-store-csi-driver/)
})

test('a part of the webhook that is on while the webhook is off is refused', needsHelm, async () => {
  await assert.rejects(template({ webhook: { envFiles: { enabled: true } } }), /envFiles.enabled needs webhook.enabled/)
  await assert.rejects(template({ webhook: { classChecks: { refuse: true } } }), /classChecks.refuse needs webhook.en/)
})

test('a value of the wrong shape is refused', needsHelm, async () => {
  await assert.rejects(template({ rotationPollInterval: '2 minutes' }), /rotationPollInterval/)
  await assert.rejects(template({ linux: { image: { digest: 'latest' } } }), /digest/)
  await assert.rejects(template({ proxySettings: { proxyCert: '/etc/ca.crt' } }), /proxyCert/)
  await assert.rejects(template({ tokenRequests: ['api://AzureADTokenExchange'] }), /tokenRequests/)
})

test('a list, a map or an interval may be unset, as the upstream charts leave some of theirs', needsHelm, async () => {
  // As after an upgrade with --reuse-values from a release that did not have them.
  const added = { minReadySeconds: null, bindAddress: null }
  const unset = { env: null, volumes: null, volumeMounts: null, nodeSelector: null, podLabels: null }
  const objects = await template({
    commonLabels: null,
    imagePullSecrets: null,
    rotationPollInterval: null,
    syncSecret: { enabled: true, namespaces: null },
    linux: { ...unset, additionalProvidersDirs: null, crds: { annotations: null }, ...added },
  })
  assert.deepEqual(
    daemonSets(objects).map(({ container }) => container.args.filter((word) => word.includes('no value'))),
    [[], []],
  )
  const [{ container } = assert.fail()] = daemonSets(objects)
  const { rotationIntervalMs, providerDirectories } = configOf(driverProgram, flagsOf(container))
  assert.equal(rotationIntervalMs, 120_000)
  assert.deepEqual(providerDirectories, ['/var/run/secrets-store-csi-providers'])
})

test('an address that is only a port may be a number, as --set types it', needsHelm, async () => {
  const webhook = { enabled: true, azureTenantID: 'contoso.com' }
  const others = { sync: { enabled: true } }
  const asText = {
    metricsAddr: '18898',
    linux: { metricsAddr: ':18095' },
    webhook: { ...webhook, metricsAddr: ':17095' },
  }
  const asNumber = { metricsAddr: 18_898, linux: { metricsAddr: 18_095 }, webhook: { ...webhook, metricsAddr: 17_095 } }
  assert.deepEqual(await template({ ...asNumber, ...others }), await template({ ...asText, ...others }))
})

test('two ports of one pod that are equal are refused with the names of both', needsHelm, async () => {
  const webhook = { enabled: true, azureTenantID: 'contoso.com' }
  for (const [values, first, second] of [
    [{ linux: { healthzPort: 8898 } }, 'linux.healthzPort', 'metricsAddr'],
    [{ linux: { metricsAddr: ':9808' } }, 'linux.metricsAddr', 'livenessProbe.port'],
    [{ combined: true, livenessProbe: { port: 8989 } }, 'linux.healthzPort', 'livenessProbe.port'],
    [{ webhook: { ...webhook, healthPort: 9443 } }, 'webhook.healthPort', 'webhook.port'],
    [{ sync: { enabled: true, healthPort: 8898 } }, 'metricsAddr', 'sync.healthPort'],
    [
      { restart: { enabled: true }, operator: { healthPort: 8097, metricsPort: 8097 } },
      'operator.healthPort',
      'operator.metricsPort',
    ],
    [
      { podIdentity: { enabled: true, nmi: { probePort: 9090 } } },
      'podIdentity.nmi.probePort',
      'podIdentity.nmi.prometheusPort',
    ],
  ] as const) {
    await assert.rejects(template(values), (error: Error) => {
      const [, found] = /([\w.]+ and [\w.]+) are both port/.exec(error.message) ?? []
      assert.deepEqual(found?.split(' and ').toSorted(), [first, second].toSorted(), error.message)
      return true
    })
  }
  // The pods of the driver and of the provider have networks of their own, and 0 is off.
  await template({ livenessProbe: { port: 8898 } })
  await template({ metricsAddr: '0', sync: { enabled: true } })
})

test('what has to have a value cannot be unset', needsHelm, async () => {
  await assert.rejects(template({ linux: { metricsAddr: null } }), /metricsAddr/)
  await assert.rejects(template({ proxySettings: null }), /proxySettings/)
})

test('a misspelt name inside a value is refused, wherever Kubernetes would ignore it', needsHelm, async () => {
  for (const [values, name] of [
    [{ linux: { updateStrategy: { rollingUpdate: { maxUnavailble: 2 } } } }, 'maxUnavailble'],
    [{ linux: { provider: { updateStrategy: { rollingUpdat: {} } } } }, 'rollingUpdat'],
    [{ linux: { tolerations: [{ operator: 'Exist' }] } }, 'operator'],
    [{ linux: { driver: { tolerations: [{ efect: 'NoExecute' }] } } }, 'efect'],
    [{ linux: { affinity: { nodeAfinity: {} } } }, 'nodeAfinity'],
    [{ webhook: { podDisruptionBudget: { minAvailble: 1 } } }, 'minAvailble'],
    [{ webhook: { topologySpreadConstraints: [{ topologyKe: 'zone' }] } }, 'topologyKe'],
    [{ podIdentity: { nmi: { updateStrategy: { rollingUpdate: { maxUnavailble: 2 } } } } }, 'maxUnavailble'],
  ] as const) {
    await assert.rejects(template(values), new RegExp(name), name)
  }
})

test('a proxy without a scheme, and a tenant that is neither an id nor a domain, are refused', needsHelm, async () => {
  for (const url of ['proxy:3128', 'https://proxy:3128', 'http://', 'http://proxy:3128/path']) {
    await assert.rejects(template({ proxySettings: { httpsProxy: url } }), /httpsProxy/, url)
  }
  await template({ proxySettings: { httpProxy: 'http://user:pass@proxy.example:3128', httpsProxy: 'http://proxy/' } })
  const withTenant = (azureTenantID: string) => template({ webhook: { enabled: true, azureTenantID } })
  for (const tenant of ['contoso', '72f988bf-86f1-41af-91ab', 'contoso.com/', ' contoso.com', '$tenant']) {
    await assert.rejects(withTenant(tenant), /webhook\.azureTenantID: found .*, expected the id of a tenant/, tenant)
  }
  for (const tenant of ['72f988bf-86f1-41af-91ab-2d7cd011db47', 'contoso.onmicrosoft.com', '$AZURE_TENANT_ID']) {
    await withTenant(tenant)
  }
})

test(
  'a flag that the program does not have is refused, unless the image is of another version',
  needsHelm,
  async () => {
    const all = {
      webhook: { enabled: true, azureTenantID: 'contoso.com' },
      sync: { enabled: true },
      podIdentity: { enabled: true },
    }
    const extraArgs = ['--read-shar=1s']
    for (const [path, values] of [
      ['linux.driver.extraArgs', { linux: { driver: { extraArgs } } }],
      ['linux.provider.extraArgs', { linux: { provider: { extraArgs } } }],
      ['linux.node.extraArgs', { combined: true, linux: { provider: { extraArgs } } }],
      ['webhook.extraArgs', { webhook: { ...all.webhook, extraArgs } }],
      ['webhook.proxy.extraArgs', { webhook: { ...all.webhook, proxy: { extraArgs } } }],
      ['sync.extraArgs', { sync: { enabled: true, extraArgs } }],
      ['podIdentity.mic.extraArgs', { podIdentity: { enabled: true, mic: { extraArgs } } }],
      ['podIdentity.nmi.extraArgs', { podIdentity: { enabled: true, nmi: { extraArgs } } }],
    ] as const) {
      const expected = new RegExp(
        `${path.replaceAll('.', '\\.')}: found "--read-shar=1s", expected a flag of the program`,
      )
      await assert.rejects(template({ ...all, ...values }), expected, path)
    }
    await template({ linux: { provider: { extraArgs: ['--read-share=1s', '-v=5', '--log-format-json'] } } })
    await template({ linux: { image: { tag: 'next' }, provider: { extraArgs } } })
  },
)

test('an update goes on when the new pod is ready for a while, which every daemon reports', needsHelm, async () => {
  const sets = (objects: Manifest[]) =>
    objects
      .filter(({ kind }) => kind === 'DaemonSet')
      .map(
        (object) =>
          object.spec as { minReadySeconds: number; template: { spec: { containers: { readinessProbe?: object }[] } } },
      )
  for (const combined of [false, true]) {
    const objects = await template({ combined, windows, podIdentity: { enabled: true } })
    for (const spec of sets(objects)) {
      assert.equal(spec.minReadySeconds, 5)
      assert.notEqual(spec.template.spec.containers[0]?.readinessProbe, undefined)
    }
  }
  const [driver, provider] = sets(await template({ linux: { minReadySeconds: 9, provider: { minReadySeconds: 0 } } }))
  assert.deepEqual([driver?.minReadySeconds, provider?.minReadySeconds], [9, 0])
})

test('daemons on the network of the node can serve probes and metrics on one address of it', needsHelm, async () => {
  const linux = { bindAddress: '127.0.0.1' }
  const [driver = assert.fail(), provider = assert.fail()] = daemonSets(await template({ linux }))
  assert.equal(
    configOf(driverProgram, flagsOf(driver.container)).healthAddress?.host,
    undefined,
    'it has a network of its own',
  )
  const ofProvider = configOf(providerProgram, flagsOf(provider.container))
  assert.deepEqual([ofProvider.healthAddress, ofProvider.metricsAddress], [at(8989), at(8898)])
  assert.match(JSON.stringify(provider.container), /"livenessProbe":\{"httpGet":\{"host":"127.0.0.1"/)

  const [node = assert.fail()] = daemonSets(await template({ combined: true, linux }))
  const both = configOf(nodeProgram, flagsOf(node.container))
  assert.deepEqual([both.driver.healthAddress, both.driver.metricsAddress], [at(9808), at(8095)])
  assert.deepEqual([both.provider.healthAddress, both.provider.metricsAddress], [at(8989), at(8898)])
})

const at = (port: number) => ({ host: '127.0.0.1', port })

test('pods and what makes them have the standard labels, and no selector has more than it had', needsHelm, async () => {
  const all = { webhook: { enabled: true, azureTenantID: 'contoso.com' }, podIdentity: { enabled: true } }
  const objects = await template({ ...all, windows }, { release: 'shop' })
  const workloads = objects.filter(({ kind }) => kind === 'DaemonSet' || kind === 'Deployment')
  const rows = workloads.map(({ metadata, spec }) => {
    const { selector, template: pods } = spec as {
      selector: { matchLabels: Record<string, string> }
      template: { metadata: { labels: Record<string, string> } }
    }
    const component = metadata.labels?.['app.kubernetes.io/component']
    for (const labels of [metadata.labels, pods.metadata.labels]) {
      assert.equal(labels?.['app.kubernetes.io/instance'], 'shop')
      assert.match(labels?.['app.kubernetes.io/version'] ?? '', /^\d/)
      assert.equal(labels?.['app.kubernetes.io/component'], component)
    }
    return [metadata.name, component, Object.keys(selector.matchLabels).join()]
  })
  assert.deepEqual(rows, [
    ['csi-secrets-store', 'driver', 'app'],
    ['csi-secrets-store-windows', 'driver', 'app'],
    ['csi-secrets-store-provider-azure', 'provider', 'app'],
    ['csi-secrets-store-provider-azure-windows', 'provider', 'app'],
    ['aad-pod-identity-nmi', 'nmi', 'k8s-app,component'],
    ['aad-pod-identity-mic', 'mic', 'k8s-app,component'],
    ['azure-workload-identity-webhook-controller-manager', 'webhook', 'app,azure-workload-identity.io/system'],
  ])
})

test('Secret sync can be limited to namespaces, and then has no rights anywhere else', needsHelm, async () => {
  const objects = await template({ syncSecret: { enabled: true, namespaces: ['shop', 'bank'] } })
  const everywhere = rulesFor(objects, 'secrets-store-csi-driver').flatMap(({ resources }) => resources)
  assert.ok(!everywhere.includes('secrets') && !everywhere.includes('pods'))
  const [all] = (await template({ syncSecret: { enabled: true } })).filter(
    ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === 'secretprovidersyncing-role',
  )
  for (const namespace of ['shop', 'bank']) {
    const own = objects.filter(({ metadata }) => metadata.namespace === namespace)
    const role = own.find(({ kind }) => kind === 'Role')
    const binding = own.find(({ kind }) => kind === 'RoleBinding')
    assert.deepEqual(role?.rules, all?.rules)
    assert.deepEqual(binding?.roleRef, {
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'Role',
      name: 'secretprovidersyncing-role',
    })
    assert.deepEqual(binding?.subjects, [
      { kind: 'ServiceAccount', name: 'secrets-store-csi-driver', namespace: 'kube-system' },
    ])
  }
})

test('helm lint reports nothing', needsHelm, async () => {
  const { stdout } = await promisify(execFile)(helm ?? 'helm', ['lint', '--strict', '--quiet', chartDirectory])
  assert.equal(stdout.trim(), '')
})

test(
  'values that leave nothing to install, or contradict each other, are refused with the reason',
  needsHelm,
  async () => {
    await assert.rejects(
      template({ driver: { install: false }, provider: { install: false } }),
      /driver\.install and provider\.install are both false/,
    )
    await assert.rejects(
      template({ combined: true, provider: { install: false } }),
      /combined runs driver and provider/,
    )
    await assert.rejects(template({ linux: { enabled: false } }), /linux\.enabled and windows\.enabled are both false/)
    const refuse = { classChecks: { refuse: true } }
    await assert.rejects(template({ webhook: refuse }), /webhook\.classChecks\.refuse needs webhook\.enabled/)
    await assert.rejects(template({ restart: { dryRun: true } }), /restart\.dryRun needs restart\.enabled/)
  },
)

test(
  'an image of the upstream charts is refused, because a values file brought along may name it',
  needsHelm,
  async () => {
    for (const repository of [
      'registry.k8s.io/csi-secrets-store/driver',
      'mcr.microsoft.com/oss/kubernetes-csi/secrets-store/driver',
      'mcr.microsoft.com/oss/v2/azure/secrets-store/provider-azure',
    ]) {
      await assert.rejects(template({ linux: { image: { repository } } }), /docs\/migrate\.md/)
    }
  },
)

test('a Kubernetes older than 1.30 is refused', needsHelm, async () => {
  await assert.rejects(template({}, { kubeVersion: '1.29.9' }), /1\.30/)
})

test('from Kubernetes 1.35 on, tokens come in the secrets of a request', needsHelm, async () => {
  const specOf = (objects: Manifest[]) => objects.find(({ kind }) => kind === 'CSIDriver')?.spec as object
  const [before, since, noTokens] = await Promise.all([
    template({}, { kubeVersion: '1.34.4' }),
    template({}, { kubeVersion: '1.35.0' }),
    template({ tokenRequests: [] }, { kubeVersion: '1.35.0' }),
  ])
  assert.ok(!('serviceAccountTokenInSecrets' in specOf(before)))
  assert.deepEqual({ ...specOf(before), serviceAccountTokenInSecrets: true }, specOf(since))
  assert.ok(!('serviceAccountTokenInSecrets' in specOf(noTokens)) && !('tokenRequests' in specOf(noTokens)))
})

test('the driver has rights on Secrets only where Secrets are kept in step', needsHelm, async () => {
  const [without, withSync] = await Promise.all([template(), template({ syncSecret: { enabled: true } })])
  const rights = (objects: Manifest[]) =>
    rulesFor(objects, 'secrets-store-csi-driver').filter(({ resources }) => resources.includes('secrets'))
  assert.deepEqual(rights(without), [])
  assert.deepEqual(
    rights(withSync).map(({ verbs }) => verbs),
    [['get', 'create', 'patch', 'delete']],
  )
  assert.ok(names(withSync, 'ClusterRoleBinding').includes('secretprovidersyncing-rolebinding'))
})

test('no daemon may ever list Secrets, watch them, or make tokens', needsHelm, async () => {
  const objects = await template({ syncSecret: { enabled: true } })
  for (const account of ['secrets-store-csi-driver', 'csi-secrets-store-provider-azure']) {
    for (const { resources, verbs } of rulesFor(objects, account)) {
      assert.ok(!resources.includes('serviceaccounts/token') && !resources.includes('*') && !verbs.includes('*'))
      if (resources.includes('secrets')) assert.ok(!verbs.includes('list') && !verbs.includes('watch'))
    }
  }
})

test('without rotation, kubelet is not asked to repeat mounts', needsHelm, async () => {
  const objects = await template({ enableSecretRotation: false })
  const csiDriver = objects.find(({ kind }) => kind === 'CSIDriver')?.spec as { requiresRepublish: boolean }
  assert.equal(csiDriver.requiresRepublish, false)
  const [driver] = daemonSets(objects)
  assert.equal(driver?.container.args.includes('--enable-secret-rotation=false'), true)
})

test('the provider alone leaves a driver that is there alone', needsHelm, async () => {
  const objects = await template({ driver: { install: false } })
  assert.deepEqual(objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`).toSorted(), [
    'ClusterRole secrets-store-provider-azure-role',
    'ClusterRoleBinding secrets-store-provider-azure-rolebinding',
    'DaemonSet csi-secrets-store-provider-azure',
    'ServiceAccount csi-secrets-store-provider-azure',
  ])
})

test('the driver alone has nothing of Azure', needsHelm, async () => {
  const objects = await template({ provider: { install: false } })
  assert.deepEqual(names(objects, 'DaemonSet'), ['csi-secrets-store'])
  assert.deepEqual(names(objects, 'ServiceAccount'), ['secrets-store-csi-driver'])
  assert.deepEqual(rulesFor(objects, 'csi-secrets-store-provider-azure'), [])
})

test('combined runs one DaemonSet with the rights, network and trust of both', needsHelm, async () => {
  const objects = await template({ combined: true })
  const sets = daemonSets(objects)
  assert.equal(sets.length, 1)
  const [{ name: setName, pod, container } = assert.fail()] = sets
  assert.equal(setName, 'csi-secrets-store')
  assert.equal(pod.hostNetwork, true)
  assert.equal(container.securityContext.privileged, true)
  assert.deepEqual(container.envFrom, [{ configMapRef: { name: 'keymount-provider-env', optional: true } }])
  assert.equal(new Set(container.ports.map((port) => port.name)).size, 4)
  // Kubernetes takes no longer name for a port (RFC 6335).
  for (const { name } of container.ports) assert.ok(name.length <= 15)
  assert.deepEqual(names(objects, 'ServiceAccount'), ['secrets-store-csi-driver'])
  const resources = rulesFor(objects, pod.serviceAccountName).flatMap((rule) => rule.resources)
  assert.ok(resources.includes('serviceaccounts') && resources.includes('secretproviderclasses'))

  const { driver, provider } = configOf(nodeProgram, flagsOf(container))
  assert.ok(provider.endpoint.kind === 'unix')
  assert.ok(driver.providerDirectories.includes(provider.endpoint.path.replace(/\/azure\.sock$/, '')))
})

test('combined obeys the settings of both daemons, and its own resources', needsHelm, async () => {
  const objects = await template({
    combined: true,
    linux: {
      env: [{ name: 'ALL', value: '1' }],
      driver: { env: [{ name: 'DRIVER', value: '1' }], podLabels: { a: 'driver' } },
      provider: { env: [{ name: 'PROVIDER', value: '1' }], extraArgs: ['--cloud-name=AzureChinaCloud'] },
      node: { resources: { limits: { memory: '1Gi' } }, podLabels: { a: 'node' } },
    },
  })
  const [{ container, labels } = assert.fail()] = daemonSets(objects)
  assert.deepEqual(
    container.env.map(({ name }) => name),
    ['KUBE_NODE_NAME', 'MALLOC_ARENA_MAX', 'ALL', 'DRIVER', 'PROVIDER'],
  )
  assert.equal(container.args.at(-1), '--cloud-name=AzureChinaCloud')
  assert.equal(labels.a, 'node')
  assert.equal((container.resources as { limits: { memory: string } }).limits.memory, '1Gi')
})

test(
  'a setting of an OS is for both daemons; a daemon adds to lists and maps, and replaces the rest',
  needsHelm,
  async () => {
    const own = [{ key: 'dedicated', operator: 'Exists' }]
    const objects = await template({
      linux: {
        nodeSelector: { pool: 'a' },
        podAnnotations: { 'prometheus.io/scrape': 'true' },
        volumes: [{ name: 'shared', emptyDir: {} }],
        volumeMounts: [{ name: 'shared', mountPath: '/shared' }],
        provider: {
          nodeSelector: { zone: '1' },
          tolerations: own,
          priorityClassName: 'mine',
          updateStrategy: { type: 'OnDelete' },
          affinity: {},
          volumes: [{ name: 'stack', configMap: { name: 'azure-stack' } }],
          volumeMounts: [{ name: 'stack', mountPath: '/etc/stack' }],
        },
      },
    })
    const [driver = assert.fail(), provider = assert.fail()] = daemonSets(objects)
    assert.deepEqual(driver.pod.nodeSelector, { 'kubernetes.io/os': 'linux', pool: 'a' })
    assert.deepEqual(provider.pod.nodeSelector, { 'kubernetes.io/os': 'linux', pool: 'a', zone: '1' })
    for (const { annotations } of [driver, provider]) assert.equal(annotations['prometheus.io/scrape'], 'true')
    assert.deepEqual(driver.pod.tolerations, [{ operator: 'Exists' }])
    assert.deepEqual(provider.pod.tolerations, own)
    assert.equal(driver.pod.priorityClassName, 'system-node-critical')
    assert.equal(provider.pod.priorityClassName, 'mine')
    assert.equal(driver.pod.affinity !== undefined, true)
    assert.equal(provider.pod.affinity, undefined)
    assert.deepEqual(provider.updateStrategy, { type: 'OnDelete' })
    const mounts = (set: typeof driver) => set.container.volumeMounts.map(({ name }) => name)
    assert.deepEqual(mounts(driver).slice(-1), ['shared'])
    assert.deepEqual(mounts(provider).slice(-2), ['shared', 'stack'])
  },
)

test('labels for everything are on everything, and cannot make a daemon unfindable', needsHelm, async () => {
  const objects = await template({
    commonLabels: { team: 'platform', app: 'mine', 'app.kubernetes.io/name': 'mine' },
    proxySettings: { httpsProxy: 'http://proxy:3128' },
    syncSecret: { enabled: true },
    linux: { podLabels: { app: 'mine', tier: 'node' } },
  })
  for (const { metadata } of objects) assert.equal(metadata.labels?.team, 'platform')
  for (const { labels, selector } of daemonSets(objects)) {
    assert.equal(labels.team, 'platform')
    assert.equal(labels.tier, 'node')
    for (const [name, value] of Object.entries(selector)) assert.equal(labels[name], value)
  }
})

test('a digest overrides a tag, and both follow the repository', needsHelm, async () => {
  const digest = `sha256:${'0'.repeat(64)}`
  const imageOf = async (image: object) => daemonSets(await template({ linux: { image } }))[0]?.container.image
  assert.equal(await imageOf({ repository: 'r.example/k', tag: 'v9' }), 'r.example/k:v9')
  assert.equal(await imageOf({ repository: 'r.example/k', tag: 'v9', digest }), `r.example/k@${digest}`)
})

test('a private registry, and a service account token that is mounted by other means', needsHelm, async () => {
  const objects = await template({ imagePullSecrets: [{ name: 'registry' }], automountServiceAccountToken: false })
  for (const { pod } of daemonSets(objects)) {
    assert.deepEqual(pod.imagePullSecrets, [{ name: 'registry' }])
    assert.equal(pod.automountServiceAccountToken, false)
  }
})

test('another kubelet root replaces the default everywhere', needsHelm, async () => {
  const objects = await template({ linux: { kubeletRootDir: '/var/snap/microk8s/common/var/lib/kubelet' } })
  const text = JSON.stringify(daemonSets(objects))
  assert.equal(text.includes('"/var/lib/kubelet'), false)
  assert.equal(text.includes('=/var/lib/kubelet'), false)
  assert.equal(text.includes('/var/snap/microk8s/common/var/lib/kubelet/plugins_registry'), true)
})

test('several more provider directories are mounted where the driver looks', needsHelm, async () => {
  const directories = ['/opt/providers', '/etc/kubernetes/secrets-store-csi-providers']
  const [{ container, pod } = assert.fail()] = daemonSets(
    await template({ linux: { additionalProvidersDirs: directories } }),
  )
  const config = configOf(driverProgram, flagsOf(container))
  for (const path of config.providerDirectories) {
    const mount = container.volumeMounts.find(({ mountPath }) => mountPath === path)
    assert.equal(pod.volumes.find(({ name }) => name === mount?.name)?.hostPath?.path, path)
  }
  assert.deepEqual(config.providerDirectories.slice(0, 2), directories)
})

test(
  'a proxy and its certificate become the ConfigMaps that the provider reads, and a change of them a rollout',
  needsHelm,
  async () => {
    const proxyCert = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
    const settings = { httpsProxy: 'http://proxy:3128', noProxy: '169.254.169.254,10.0.0.0/8', proxyCert }
    const objects = await template({ proxySettings: settings })
    const data = (name: string) => objects.find(({ metadata }) => metadata.name === name)?.data
    assert.deepEqual(data('keymount-provider-env'), {
      HTTPS_PROXY: 'http://proxy:3128',
      NO_PROXY: '169.254.169.254,10.0.0.0/8',
    })
    assert.equal((data('keymount-trust') as Record<string, string>)['ca.crt']?.trim(), proxyCert.trim())
    const [driver = assert.fail(), provider = assert.fail()] = daemonSets(objects)
    const trust = provider.container.volumeMounts.find(({ name }) => name === 'trust')?.mountPath
    const extra = provider.container.env.find(({ name }) => name === 'NODE_EXTRA_CA_CERTS')?.value
    assert.equal(extra, `${trust}/ca.crt`)

    const changed = daemonSets(await template({ proxySettings: { ...settings, noProxy: '' } }))
    assert.deepEqual(changed[0]?.annotations, driver.annotations)
    assert.notDeepEqual(changed[1]?.annotations, provider.annotations)
  },
)

test('Windows gets DaemonSets of its own, with nothing in them that only Linux has', needsHelm, async () => {
  const objects = await template({ windows })
  const sets = daemonSets(objects).filter(({ name }) => name.endsWith('-windows'))
  assert.deepEqual(
    sets.map(({ name }) => name),
    ['csi-secrets-store-windows', 'csi-secrets-store-provider-azure-windows'],
  )
  for (const { pod, container } of sets) {
    assert.equal(pod.nodeSelector['kubernetes.io/os'], 'windows')
    // A HostProcess pod is on the node's network, and its process sees the node's directories without mounts.
    assert.equal(pod.hostNetwork, true)
    assert.deepEqual(container.securityContext, {
      windowsOptions: { hostProcess: true, runAsUserName: 'NT AUTHORITY\\SYSTEM' },
    })
    for (const { hostPath } of pod.volumes ?? []) assert.equal(hostPath, undefined)
  }
  const flags = sets[0]?.container.args ?? []
  assert.ok(flags.includes('--endpoint=unix://C:\\var\\lib\\kubelet\\plugins\\csi-secrets-store\\csi.sock'))
  assert.ok(flags.includes('--registration-dir=C:\\var\\lib\\kubelet\\plugins_registry'))
  assert.ok(sets[1]?.container.args.includes('--endpoint=unix://C:\\k\\secrets-store-csi-providers\\azure.sock'))
  assert.ok(flags.includes('--kubelet-registration-path=C:\\var\\lib\\kubelet\\plugins\\csi-secrets-store\\csi.sock'))
})

test(
  'the driver is labelled for the namespaces of OpenShift, and a common label replaces that',
  needsHelm,
  async () => {
    const label = 'security.openshift.io/csi-ephemeral-volume-profile'
    const labelOf = async (values: object) =>
      (await template(values)).find(({ kind }) => kind === 'CSIDriver')?.metadata.labels?.[label]
    assert.equal(await labelOf({}), 'restricted')
    assert.equal(await labelOf({ commonLabels: { [label]: 'privileged' } }), 'privileged')
  },
)

test('Windows nodes need an image of your own', needsHelm, async () => {
  await assert.rejects(template({ windows: { enabled: true } }), /no image of Keymount for Windows nodes is published/)
})

test('a second driver shares no name, directory or pod with the first', needsHelm, async () => {
  const first = await template({}, { release: 'one' })
  const second = await template({ driver: { name: 'try.csi.example.com' } }, { release: 'two' })
  const key = ({ kind, metadata }: Manifest) => `${kind} ${metadata.name}`
  const taken = new Set(first.map(key))
  const shared = second.map(key).filter((name) => taken.has(name))
  assert.deepEqual(
    shared.filter((name) => !name.startsWith('CustomResourceDefinition ')),
    [],
  )
  const [{ container, pod, selector } = assert.fail()] = daemonSets(second)
  assert.notDeepEqual(selector, daemonSets(first)[0]?.selector)
  const { registration, driverName } = configOf(driverProgram, flagsOf(container))
  assert.equal(driverName, 'try.csi.example.com')
  const pluginDirectory = pod.volumes.find(({ name }) => name === 'plugin-dir')?.hostPath?.path
  assert.equal(registration?.kubeletPath, `${pluginDirectory}/csi.sock`)
  assert.match(pluginDirectory ?? '', /try\.csi\.example\.com$/)
})

test('names can be given', needsHelm, async () => {
  const setNames = async (values: object, release?: string) =>
    names(await template(values, release === undefined ? {} : { release }), 'DaemonSet')
  assert.deepEqual(await setNames({}, 'anything'), ['csi-secrets-store', 'csi-secrets-store-provider-azure'])
  assert.deepEqual(await setNames({ fullnameOverride: 'shop' }), ['shop', 'shop-provider-azure'])
  assert.deepEqual(await setNames({ nameOverride: 'csi' }, 'shop'), ['shop-csi', 'shop-csi-provider-azure'])
})

test('accounts and roles can be created by other means', needsHelm, async () => {
  const objects = await template({ rbac: { install: false }, syncSecret: { enabled: true } })
  const kinds = new Set(objects.map(({ kind }) => kind))
  assert.deepEqual([...kinds].toSorted(), ['CSIDriver', 'CustomResourceDefinition', 'DaemonSet'])
})

test(
  'a check before helm uninstall is off by default, and runs a program of the image with its flags',
  needsHelm,
  async () => {
    const jobs = (objects: Manifest[]) => objects.filter(({ kind }) => kind === 'Job')
    assert.deepEqual(jobs(await template()), [])
    assert.deepEqual(jobs(await template({ uninstallCheck: { enabled: true }, driver: { install: false } })), [])
    const name = 'second.csi.example.com'
    const [job = assert.fail()] = jobs(await template({ uninstallCheck: { enabled: true }, driver: { name } }))
    assert.equal(job.metadata.annotations?.['helm.sh/hook'], 'pre-delete')
    const { containers } = (job.spec as { template: { spec: { containers: { args: string[] }[] } } }).template.spec
    const [program, ...flags] = containers[0]?.args ?? []
    assert.equal(program, uninstallCheckProgram.name)
    assert.equal(configOf(uninstallCheckProgram, flags).driver, name)
  },
)

test('helm test runs a program of the image, which may read what it checks and nothing else', needsHelm, async () => {
  const webhook = { enabled: true, azureTenantID: 'contoso.com' }
  const all = await template({ webhook }, { tests: true, release: 'shop' })
  const added = all.filter(({ metadata }) => metadata.annotations?.['helm.sh/hook'] === 'test')
  assert.equal(all.length - added.length, (await template({ webhook }, { release: 'shop' })).length)
  const pod = added.find(({ kind }) => kind === 'Pod')
  assert.ok(pod !== undefined)
  const { containers } = pod.spec as { containers: [{ args: string[] }] }
  const [program, ...flags] = containers[0].args
  assert.equal(program, installCheckProgram.name)
  assert.partialDeepStrictEqual(configOf(installCheckProgram, flags), {
    namespace: 'kube-system',
    selector: 'app.kubernetes.io/instance=shop',
    driver: 'secrets-store.csi.k8s.io',
    webhookConfiguration: 'azure-wi-webhook-mutating-webhook-configuration',
  })
  // `helm test` prints each hook as a suite of its own.
  assert.deepEqual(added.map(({ kind, metadata: { name } }) => `${kind} ${name}`).toSorted(), [
    'List shop-install-check',
    'Pod shop-install-check',
  ])
  const items = added.flatMap((object) => (object.items ?? []) as Manifest[])
  assert.deepEqual(names(items, 'ClusterRole'), ['shop-install-check'])
  // Argo CD takes a list apart, and installs every item that has no annotation of a test.
  for (const { metadata } of items) assert.equal(metadata.annotations?.['helm.sh/hook'], 'test')
  const rules = items.flatMap((object) => (object.rules ?? []) as Rule[])
  assert.deepEqual(new Set(rules.flatMap(({ verbs }) => verbs)), new Set(['list', 'get']))
  const resources = rules.flatMap((rule) => rule.resources)
  assert.deepEqual(resources.toSorted(), [
    'csinodes',
    'daemonsets',
    'deployments',
    'mutatingwebhookconfigurations',
    'pods',
    'pods/log',
  ])

  const alone = await template({ driver: { install: false } }, { tests: true })
  assert.ok(!JSON.stringify(alone).includes('csinodes'))
})

test(
  'helm uninstall leaves the CustomResourceDefinitions, and a value prevents their installation',
  needsHelm,
  async () => {
    const crds = (await template()).filter(({ kind }) => kind === 'CustomResourceDefinition')
    assert.equal(crds.length, 2)
    for (const { metadata } of crds) assert.equal(metadata.annotations?.['helm.sh/resource-policy'], 'keep')
    assert.deepEqual(names(await template({ linux: { crds: { enabled: false } } }), 'CustomResourceDefinition'), [])
  },
)
