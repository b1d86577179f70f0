/**
 * The policies and the PodMonitor, compared with the workloads that the chart renders: their ports, their arguments, and whom each
 * program connects to (ARCHITECTURE.md, "The wires"). No cluster of these tests has a network plugin that enforces policies.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Manifest, needsHelm, template } from './helm.ts'

interface Workload {
  name: string
  labels: Record<string, string>
  isOnNode: boolean
  containers: { args: string[]; ports?: { name: string; containerPort: number }[] }[]
}

interface PolicyPort {
  port: number | string
  protocol?: string
}

interface Policy {
  podSelector: { matchLabels: Record<string, string> }
  policyTypes: string[]
  ingress?: { ports: PolicyPort[]; from?: unknown[] }[]
  egress?: { ports: PolicyPort[]; to?: unknown[] }[]
}

const everything = {
  networkPolicy: { enabled: true },
  metrics: { podMonitor: { enabled: true } },
  webhook: { enabled: true, azureTenantID: 'contoso.com' },
  sync: { enabled: true },
  restart: { enabled: true },
  podIdentity: { enabled: true },
}
const events = {
  enabled: true,
  queue: 'https://contoso.queue.core.windows.net/keymount',
  clientID: '72f988bf-86f1-41af-91ab-2d7cd011db47',
  tenantID: '72f988bf-86f1-41af-91ab-2d7cd011db47',
}
const windows = { enabled: true, image: { repository: 'registry.example/keymount-windows' } }
const ways = [
  everything,
  { ...everything, events, restart: { enabled: false } },
  { ...everything, windows },
  { ...everything, combined: true },
  { ...everything, provider: { install: false }, linux: { metricsAddr: ':9999' }, livenessProbe: { port: 9998 } },
  { ...everything, driver: { install: false }, webhook: { ...everything.webhook, hostNetwork: true } },
  {
    ...everything,
    driver: { name: 'second.csi.example.com' },
    proxySettings: { httpsProxy: 'http://proxy.example:3128' },
  },
  { ...everything, proxySettings: { httpProxy: 'http://proxy.example', httpsProxy: 'http://proxy.example:8080/' } },
]

function workloadsOf(objects: Manifest[]): Workload[] {
  return objects
    .filter(({ kind }) => kind === 'DaemonSet' || kind === 'Deployment')
    .map(({ metadata, spec }) => {
      const { template: pods } = spec as {
        template: {
          metadata: { labels: Record<string, string> }
          spec: { hostNetwork?: boolean; containers: Workload['containers'] }
        }
      }
      const { hostNetwork = false, containers } = pods.spec
      return { name: metadata.name, labels: pods.metadata.labels, isOnNode: hostNetwork, containers }
    })
}

const selects = (selector: Record<string, string>, labels: Record<string, string>) =>
  Object.entries(selector).every(([name, value]) => labels[name] === value)

const portsOf = ({ containers }: Workload) => containers.flatMap(({ ports = [] }) => ports)

/** The ports that the arguments of a workload make it listen on, at addresses of its pod. */
function listened({ containers }: Workload): number[] {
  return containers
    .flatMap(({ args }) => args)
    .flatMap((arg) => {
      const [, port] = /^--(?:[\w-]*(?:addr|address|port)|healthz-port|http-probe-port)=:?(\d+)$/.exec(arg) ?? []
      return port === undefined || port === '0' ? [] : [Number(port)]
    })
}

/** What the programs of a workload connect to beside the API server. */
function connected({ containers }: Workload, proxyPorts: number[]): (number | string)[] {
  const asksAzure = containers.some(
    ({ args: [program, ...flags] }) => ['provider', 'mic'].includes(program ?? '') || flags.includes('--events'),
  )
  const asksNode = containers.some(({ args }) => args[0] === 'mic')
  return [443, 6443, ...(asksAzure ? ['UDP 53', 53, 443, ...proxyPorts] : []), ...(asksNode ? [80] : [])]
}

test(
  'the ports of each policy are those that its workload uses, and no workload with a network of its own is without',
  needsHelm,
  async () => {
    for (const values of ways) {
      const objects = await template(values)
      const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy').map(({ spec }) => spec as Policy)
      const { httpProxy, httpsProxy } = {
        httpProxy: '',
        httpsProxy: '',
        ...('proxySettings' in values ? values.proxySettings : {}),
      }
      const proxyPorts = [httpProxy, httpsProxy]
        .filter((url) => url !== '')
        .map((url) => Number(new URL(url).port) || 80)
      for (const workload of workloadsOf(objects)) {
        const own = policies.filter(({ podSelector }) => selects(podSelector.matchLabels, workload.labels))
        if (workload.isOnNode) continue
        assert.equal(own.length, 1, `${workload.name} has one policy`)
        const [policy = assert.fail()] = own
        const incoming = (policy.ingress ?? []).flatMap(({ ports }) => ports.map(({ port }) => port))
        const named = new Map(portsOf(workload).map(({ name, containerPort }) => [name, containerPort]))
        assert.deepEqual(incoming.toSorted(), [...named.keys()].toSorted(), workload.name)
        assert.deepEqual(
          [...named.values()].toSorted(),
          listened(workload).toSorted(),
          `${workload.name}: its arguments`,
        )
        const outgoing = (policy.egress ?? []).flatMap(({ ports }) =>
          ports.map(({ port, protocol }) => (protocol === undefined ? port : `${protocol} ${port}`)),
        )
        assert.deepEqual(new Set(outgoing), new Set(connected(workload, proxyPorts)), workload.name)
      }
      const names = workloadsOf(objects).filter(({ isOnNode }) => !isOnNode)
      const idle = policies.filter(
        ({ podSelector }) => !names.some(({ labels }) => selects(podSelector.matchLabels, labels)),
      )
      assert.deepEqual(idle, [], 'every policy has a workload')
    }
  },
)

test(
  'addresses restrict the policies, and the stricter policy of the webhook decides about its connections',
  needsHelm,
  async () => {
    const metricsFrom = [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }]
    const collector = { ports: [{ port: 4318 }], to: [{ namespaceSelector: {} }] }
    const objects = await template({
      ...everything,
      webhook: { ...everything.webhook, networkPolicy: { enabled: true, apiServerCIDRs: ['10.0.0.4/32'] } },
      networkPolicy: {
        enabled: true,
        apiServer: { ports: [443], cidrs: ['10.0.0.4/32'] },
        azure: { cidrs: ['10.1.0.0/24'] },
        dnsPorts: [5353],
        metricsFrom,
        extraEgress: [collector],
      },
    })
    const policies = new Map(
      objects
        .filter(({ kind }) => kind === 'NetworkPolicy')
        .map(({ metadata, spec }) => [metadata.name, spec as Policy]),
    )
    assert.deepEqual(policies.get('csi-secrets-store')?.egress, [
      { ports: [{ port: 443 }], to: [{ ipBlock: { cidr: '10.0.0.4/32' } }] },
      collector,
    ])
    const sync = policies.get('secrets-store-sync-controller-manager')
    assert.deepEqual(sync?.egress?.slice(1), [
      { ports: [{ port: 5353, protocol: 'UDP' }, { port: 5353 }] },
      { ports: [{ port: 443 }], to: [{ ipBlock: { cidr: '10.1.0.0/24' } }] },
      collector,
    ])
    assert.deepEqual(sync?.ingress?.[1], { ports: [{ port: 'metrics' }, { port: 'azure-metrics' }], from: metricsFrom })
    const webhook = 'azure-workload-identity-webhook-controller-manager'
    assert.deepEqual(policies.get(`${webhook}-egress`)?.policyTypes, ['Egress'])
    assert.deepEqual(policies.get(webhook)?.policyTypes, ['Ingress'])
  },
)

test('the PodMonitor scrapes every port with metrics of the release, and only these', needsHelm, async () => {
  for (const values of ways) {
    const objects = await template(values)
    const monitor = objects.find(({ kind }) => kind === 'PodMonitor') ?? assert.fail('no PodMonitor')
    const { selector, podMetricsEndpoints } = monitor.spec as {
      selector: { matchLabels: Record<string, string> }
      podMetricsEndpoints: { port: string; honorLabels: boolean }[]
    }
    const scraped = podMetricsEndpoints.map(({ port }) => port)
    assert.ok(podMetricsEndpoints.every(({ honorLabels }) => honorLabels))
    for (const workload of workloadsOf(objects)) {
      assert.ok(selects(selector.matchLabels, workload.labels), workload.name)
      const withMetrics = portsOf(workload).filter(({ name }) => name.includes('metrics'))
      assert.ok(withMetrics.length > 0, workload.name)
      for (const { name } of withMetrics) assert.ok(scraped.includes(name), `${workload.name} ${name}`)
    }
  }
})
