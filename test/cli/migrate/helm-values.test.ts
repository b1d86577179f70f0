import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { parse, parseAllDocuments } from 'yaml'
import { upstreamValues } from '../../../src/cli/migrate/helm-values/upstream-values.ts'
import { chartDirectory, helm, needsHelm } from '../../packaging/charts/helm.ts'
import { runCli } from '../../support/run-cli.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const provider = `# of production
linux:
  enabled: true
  image:
    repository: mcr.microsoft.com/oss/v2/azure/secrets-store/provider-azure
    tag: v1.8.2
  nodeSelector: {pool: apps}
  tolerations: [{key: dedicated, operator: Exists}]
  resources: {limits: {memory: 200Mi}}
  healthzPort: 8989
  customUserAgent: contoso
  privileged: false
logFormatJSON: true
secrets-store-csi-driver:
  install: true
  enableSecretRotation: true
  rotationPollInterval: 5m
  filteredWatchSecret: true
  syncSecret: {enabled: true}
  linux:
    kubeletRootDir: /data/kubelet
    driver: {resources: {limits: {memory: 300Mi}}}
    registrarImage: {tag: v2.15.0}
    crds: {enabled: true, image: {tag: v1.5.5}}
Azure:
  proxySettings: {isProxyEnabled: true, httpsProxy: "http://proxy:3128"}
rbac: {install: true, pspEnabled: false}
`

const driver = `syncSecret:
  enabled: yes
tokenRequests:
  - audience: api://AzureADTokenExchange
linux:
  metricsAddr: ":8095"
  livenessProbeImage: {tag: v2.17.0}
  tolerations: []
`

// helm reads YAML 1.1, in which yes is true and "on" needs its quotes.
const webhook = `azureTenantID: 72f988bf-86f1-41af-91ab-2d7cd011db47
replicaCount: 3
podDisruptionBudget: {maxUnavailable: 1}
mutatingWebhookNamespaceSelector: {matchLabels: {wi: "on"}}
service: {type: ClusterIP}
image: {release: v1.6.0}
`

const externalSecrets = `installCRDs: true
replicaCount: 2
scopedNamespace: shop
scopedRBAC: true
processPushSecret: false
webhook: {create: true, replicaCount: 2}
certController: {create: true}
resources: {requests: {memory: 64Mi}}
tolerations: [{key: dedicated, operator: Exists}]
serviceMonitor: {enabled: true, interval: 30s, additionalLabels: {team: shop}}
grafanaDashboard: {enabled: true}
log: {level: debug}
`

const akv2k8s = `global:
  keyVaultAuth: environment
  metrics: {enabled: true, serviceMonitor: {enabled: true, interval: 30s}}
controller:
  enabled: true
  resources: {limits: {memory: 100Mi}}
  podLabels: {team: shop}
env_injector: {enabled: true, replicaCount: 2}
watchAllNamespaces: false
`

/** Runs `keymount migrate` on values files in directories of their own, as a repository has them. */
async function migrate(t: Parameters<typeof temporaryDirectory>[0], files: Record<string, string>) {
  const directory = temporaryDirectory(t)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(directory, 'in', name, '..'), { recursive: true })
    writeFileSync(join(directory, 'in', name), text)
  }
  const output = join(directory, 'out')
  const result = await runCli(['migrate', join(directory, 'in'), '-o', output])
  return { ...result, output, read: (name: string) => readFileSync(join(output, name), 'utf8') }
}

test('values of upstream’s charts become values of charts/keymount, with what has no counterpart', async (t) => {
  const { code, stdout, read } = await migrate(t, {
    'a/values.yaml': provider,
    'b/values.yaml': driver,
    'webhook.yaml': webhook,
    'other/values.yaml': 'replicaCount: 2\nimage: {tag: "1"}\n',
  })
  assert.equal(code, 0, stdout)
  assert.match(stdout, /^3 converted, 0 left out of 3 objects$/m)

  await t.test('of the provider and its driver', () => {
    assert.deepEqual(parse(read('helmvalues-values.values')), {
      linux: {
        enabled: true,
        provider: {
          nodeSelector: { pool: 'apps' },
          tolerations: [{ key: 'dedicated', operator: 'Exists' }],
          resources: { limits: { memory: '200Mi' } },
        },
        healthzPort: 8989,
        customUserAgent: 'contoso',
        privileged: false,
        kubeletRootDir: '/data/kubelet',
        driver: { resources: { limits: { memory: '300Mi' } } },
        crds: { enabled: true },
      },
      driver: { install: true },
      enableSecretRotation: true,
      rotationPollInterval: '5m',
      syncSecret: { enabled: true },
      proxySettings: { httpsProxy: 'http://proxy:3128' },
      rbac: { install: true },
    })
    for (const [line, name] of [
      [4, 'linux.image'],
      [13, 'logFormatJSON'],
      [18, 'secrets-store-csi-driver.filteredWatchSecret'],
      [23, 'secrets-store-csi-driver.linux.registrarImage'],
      [24, 'secrets-store-csi-driver.linux.crds.image'],
    ] as const)
      assert.match(stdout, new RegExp(`a/values\\.yaml:${line}:\\d+: warning KM603: HelmValues values: ${name} has no`))
    assert.match(
      stdout,
      /a\/values\.yaml:\S+ info KM602: .*chart csi-secrets-store-provider-azure \(keymount charts serve\)/,
    )
  })

  await t.test('of the driver alone: rotation was off', () => {
    assert.deepEqual(parse(read('helmvalues-values-2.values')), {
      syncSecret: { enabled: true },
      tokenRequests: [{ audience: 'api://AzureADTokenExchange' }],
      linux: { metricsAddr: ':8095', driver: { tolerations: [] } },
    })
    assert.match(stdout, /b\/values\.yaml:\S+ info KM604: /)
  })

  await t.test('of the webhook: only the webhook is installed', () => {
    assert.deepEqual(parse(read('helmvalues-webhook.values')), {
      driver: { install: false },
      provider: { install: false },
      webhook: {
        enabled: true,
        azureTenantID: '72f988bf-86f1-41af-91ab-2d7cd011db47',
        replicaCount: 3,
        podDisruptionBudget: { maxUnavailable: 1, minAvailable: null },
        mutatingWebhookNamespaceSelector: { matchLabels: { wi: 'on' } },
      },
    })
    assert.match(stdout, /webhook\.yaml:5:\d+: warning KM603: HelmValues webhook: service has no/)
  })

  await t.test('the report has the helm commands, and kubectl apply does not read the files', () => {
    const report = read('REPORT.md')
    assert.match(
      report,
      /^helm upgrade --install keymount charts\/keymount -n kube-system -f \S+\/out\/helmvalues-webhook\.values$/m,
    )
    assert.doesNotMatch(report, /kubectl apply/)
    const steps: string[] = report.match(/^helm \S+/gm) ?? []
    const first = steps.indexOf('helm uninstall')
    assert.ok(first > 0 && steps.slice(0, first).every((step) => step === 'helm template'), steps.join(', '))
    assert.ok(
      steps.slice(first + 1).every((step) => step === 'helm upgrade'),
      steps.join(', '),
    )
    assert.doesNotMatch(report, /old Secrets/)
  })
})

test('values of External Secrets and akv2k8s become values of the sync controller', async (t) => {
  const { code, stdout, read } = await migrate(t, { 'eso.yaml': externalSecrets, 'akv.yaml': akv2k8s })
  assert.equal(code, 0, stdout)
  assert.match(stdout, /^2 converted, 0 left out of 2 objects$/m)
  assert.deepEqual(parse(read('helmvalues-eso.values')), {
    sync: {
      enabled: true,
      replicaCount: 2,
      namespaces: ['shop'],
      resources: { requests: { memory: '64Mi' } },
      tolerations: [{ key: 'dedicated', operator: 'Exists' }],
    },
    metrics: {
      podMonitor: { enabled: true, interval: '30s', labels: { team: 'shop' } },
      dashboards: { enabled: true },
    },
  })
  assert.deepEqual(parse(read('helmvalues-akv.values')), {
    sync: { enabled: true, resources: { limits: { memory: '100Mi' } }, podLabels: { team: 'shop' } },
    metrics: { podMonitor: { enabled: true, interval: '30s' } },
  })
  for (const [file, line, text] of [
    ['eso', 1, 'installCRDs has no counterpart'],
    ['eso', 4, 'scopedRBAC has no counterpart'],
    ['eso', 6, 'webhook has no counterpart'],
    ['eso', 12, 'log has no counterpart'],
    ['akv', 2, 'global.keyVaultAuth has no counterpart'],
    ['akv', 8, 'env_injector has no counterpart'],
    ['akv', 9, 'watchAllNamespaces is false, and the controller of charts/keymount makes Secrets in all namespaces'],
  ] as const)
    assert.match(stdout, new RegExp(`${file}\\.yaml:${line}:\\d+: warning KM603: HelmValues ${file}: ${text}`))
  assert.doesNotMatch(stdout, /KM602|KM604|processPushSecret/)
})

test('a text that ends a line for helm is written with escapes', async (t) => {
  const { read } = await migrate(t, {
    'v.yaml': 'syncSecret: {enabled: true}\nlinux: {podLabels: {a: "x\\u0085y: z", b: "x\\u2028y"}}\n',
  })
  const text = read('helmvalues-v.values')
  assert.match(text, /^[\n -~]*$/)
  assert.deepEqual(parse(text).linux.driver.podLabels, { a: 'x\u0085y: z', b: 'x\u2028y' })
})

test('a text that helm would read as something else stays a text', needsHelm, async (t) => {
  const { output } = await migrate(t, {
    'v.yaml':
      'syncSecret: {enabled: true}\nlinux:\n  podLabels: {a: "0o7", b: "0x1f", c: "on", d: "1_000", e: 2026-01-02, f: 1:30}\n',
  })
  const values = ['-f', join(output, 'helmvalues-v.values')]
  const args = ['template', 'keymount', chartDirectory, '-n', 'kube-system', '--kube-version', '1.34.0', ...values]
  const { stdout } = await promisify(execFile)(helm ?? '', args, { maxBuffer: 16 * 1024 * 1024 })
  const sets = parseAllDocuments(stdout).map((one) => one.toJS())
  const set = sets.find((one) => one?.kind === 'DaemonSet' && one.metadata.name === 'csi-secrets-store')
  const { a, b, c, d, e, f } = set.spec.template.metadata.labels
  assert.deepEqual([a, b, c, d, e, f], ['0o7', '0x1f', 'on', '1_000', '2026-01-02', '1:30'])
})

test('helm renders charts/keymount with the translated values, and its schema accepts them', needsHelm, async (t) => {
  const { output } = await migrate(t, {
    ...{ 'p.yaml': provider, 'd.yaml': driver, 'w.yaml': webhook },
    ...{ 'e.yaml': externalSecrets, 'a.yaml': akv2k8s },
  })
  const kinds = async (name: string) => {
    const file = join(output, `helmvalues-${name}.values`)
    const args = ['template', 'keymount', chartDirectory, '-n', 'kube-system', '--kube-version', '1.34.0', '-f', file]
    const { stdout } = await promisify(execFile)(helm ?? '', args, { maxBuffer: 16 * 1024 * 1024 })
    return parseAllDocuments(stdout).flatMap((one) => {
      const { kind, metadata } = (one.toJS() ?? {}) as { kind?: string; metadata?: { name: string } }
      return kind === undefined ? [] : [`${kind}/${metadata?.name}`]
    })
  }
  assert.ok((await kinds('p')).includes('DaemonSet/csi-secrets-store-provider-azure'))
  assert.ok((await kinds('d')).includes('DaemonSet/csi-secrets-store'))
  for (const name of ['e', 'a']) {
    const made = await kinds(name)
    assert.ok(made.includes('Deployment/secrets-store-sync-controller-manager'), made.join(' '))
    assert.ok(made.some((one) => one.startsWith('PodMonitor/')))
  }
  const ofWebhook = await kinds('w')
  assert.ok(ofWebhook.includes('Deployment/azure-workload-identity-webhook-controller-manager'))
  assert.ok(!ofWebhook.some((one) => one.startsWith('DaemonSet/')))
})

test('values of charts/keymount and of other charts are left alone', () => {
  const own = parse(readFileSync(join(import.meta.dirname, '../../../charts/keymount/values.yaml'), 'utf8'))
  assert.equal(upstreamValues(own, 'values.yaml'), undefined)
  assert.equal(upstreamValues({ replicaCount: 1, image: {} }, 'values.yaml'), undefined)
  assert.equal(upstreamValues({ webhook: {}, enableSecretRotation: true }, 'values.yaml'), undefined)
  fc.assert(
    fc.property(fc.string(), (file) => {
      const { name } = upstreamValues({ syncSecret: {} }, file) ?? { name: '' }
      assert.match(name, /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/)
    }),
  )
})
