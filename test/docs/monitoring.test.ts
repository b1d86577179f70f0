/** Metrics and the scrape configuration of docs/monitoring.md, and the alerts, compared with the programs and the chart. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { alerts } from '../../scripts/monitoring/alerts.ts'
import { dashboards } from '../../scripts/monitoring/dashboards/index.ts'
import { ruleOf } from '../../scripts/monitoring/render-rules.ts'
import { needsHelm, template } from '../packaging/charts/helm.ts'

const docs = join(import.meta.dirname, '../../docs')
const page = readFileSync(join(docs, 'monitoring.md'), 'utf8')

/** The rows of docs/metrics.md, which is generated from the tables of the programs: names with their labels. */
const metrics = new Map(
  readFileSync(join(docs, 'metrics.md'), 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, name, type, labels = ''] = /^\| `(\w+)` \| (\w+) \| (.*?) \| /.exec(line) ?? []
      const names = [...labels.matchAll(/(?:^|<br>)`(\w+)`/g)].map(([, label = '']) => label)
      return name === undefined ? [] : [[name, { type, labels: names }] as const]
    }),
)

const yamlBlocks = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => parse(text) as unknown)
const panels = dashboards.flatMap(({ rows }) => rows.flatMap((row) => row.panels))
const rules = alerts.map((alert) => ruleOf(alert))

/** Every query of the page: code in tables, and the expressions of alerts. */
const queries = [
  ...page
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .flatMap((line) =>
      [
        ...line
          .split(' | ')
          .slice(1)
          .join(' | ')
          .matchAll(/`([^`]+)`/g),
      ].map(([, code = '']) => code),
    ),
  ...rules.map(({ expr }) => expr),
  ...panels.flatMap((panel) => panel.queries.map(({ expr }) => expr)),
].filter((code) => !code.startsWith('--'))

/** The words of a query that can only be metrics: not labels, functions, keywords or text. */
function metricsIn(query: string): string[] {
  const bare = query.replaceAll(/"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|without) \([^)]*\)/g, (part) =>
    ' '.repeat(part.length),
  )
  const words = bare.matchAll(/[a-z_:][\w:]*(?!\w*\s*\()/gi)
  return [...words].map(([word]) => word).filter((word) => !['by', 'without', 'and', 'or', 'up'].includes(word))
}

/** The row of a metric, also for the series that a histogram consists of. */
function rowOf(name: string) {
  const whole = metrics.get(name)
  if (whole !== undefined) return whole
  const histogram = metrics.get(name.replace(/_(?:count|sum|bucket)$/, ''))
  return histogram?.type === 'histogram' ? histogram : undefined
}

test('every metric of the queries and alerts exists, and has the labels that they use', () => {
  assert.ok(queries.length > 40, `found only ${queries.length} queries`)
  for (const query of queries) {
    const named = metricsIn(query)
    assert.deepEqual(
      named.filter((name) => rowOf(name) === undefined),
      [],
      query,
    )
    const grouped = [...query.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(', '))
    const matched = [...query.matchAll(/[{,](\w+)(?:=~?|!=)"/g)].map(([, label = '']) => label)
    const known = ['le', 'job', 'node', ...named.flatMap((name) => rowOf(name)?.labels ?? [])]
    assert.deepEqual(
      [...grouped, ...matched].filter((label) => !known.includes(label)),
      [],
      query,
    )
  }
})

test('every metric of docs/metrics.md has its question', () => {
  assert.ok(metrics.size > 40)
  assert.deepEqual(
    [...metrics.keys()].filter((name) => !new RegExp(`\\b${name}(?:_count|_bucket)?\\b`).test(page)),
    [],
  )
})

test('values from before an outage, an answer of a fallback vault, and an operator that is gone have alerts', () => {
  const wanted = [
    /\(stale_volumes\) > 0$/,
    /keymount_provider_reads_total\{outcome="fallback"\}.* > 0$/,
    /\(events_source_up\) == 0$/,
    /^absent\(events_source_up\)$/,
  ]
  assert.deepEqual(
    wanted.filter((pattern) => !rules.some(({ expr }) => pattern.test(expr))),
    [],
  )
})

test('the text of an alert uses labels that its expression keeps', () => {
  const ofTheTarget = ['app', 'node']
  for (const { alert, expr, annotations } of rules) {
    const grouped = /by \(([^)]*)\)/.exec(expr)?.[1]?.split(', ')
    const kept = grouped ?? [...ofTheTarget, ...metricsIn(expr).flatMap((name) => rowOf(name)?.labels ?? [])]
    const used = [...JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)].map(([, label = '']) => label)
    assert.deepEqual(
      used.filter((label) => !kept.includes(label)),
      [],
      alert,
    )
  }
})

interface Relabeling {
  source_labels: string[]
  regex?: string
  action?: string
}

test('the scrape configuration finds the metrics of every daemon of the chart', needsHelm, async () => {
  const { scrape_configs: jobs } = yamlBlocks[0] as { scrape_configs: { relabel_configs: Relabeling[] }[] }
  const keeps = (jobs[0]?.relabel_configs ?? []).filter(({ action }) => action === 'keep')
  assert.equal(keeps.length, 2)
  for (const combined of [false, true]) {
    const ports = await metricsPorts(combined)
    assert.ok(ports.length >= 7)
    for (const { program, meta } of ports) {
      for (const { source_labels, regex } of keeps) {
        const value = source_labels.map((label) => meta[label] ?? '').join(';')
        assert.match(value, new RegExp(`^(?:${regex})$`), program)
      }
    }
  }
})

/** The ports with metrics of all daemons, as Prometheus' service discovery describes them. */
async function metricsPorts(combined: boolean) {
  const objects = await template({
    combined,
    webhook: { enabled: true, azureTenantID: 'contoso.com' },
    sync: { enabled: true },
    restart: { enabled: true },
    podIdentity: { enabled: true },
  })
  return objects.flatMap(({ kind, metadata, spec }) => {
    if (kind !== 'DaemonSet' && kind !== 'Deployment') return []
    const { template: pod } = spec as PodTemplate
    const labels = Object.entries(pod.metadata.labels).map(([name, value]) => [
      `__meta_kubernetes_pod_label_${name}`,
      value,
    ])
    const names = pod.spec.containers.flatMap(({ ports = [] }) => ports.map(({ name }) => name))
    return names
      .filter((name) => name.endsWith('metrics'))
      .map((name) => ({
        program: `${metadata.name} ${name}`,
        meta: Object.fromEntries([...labels, ['__meta_kubernetes_pod_container_port_name', name]]) as Record<
          string,
          string
        >,
      }))
  })
}

interface PodTemplate {
  template: { metadata: { labels: Record<string, string> }; spec: { containers: { ports?: { name: string }[] }[] } }
}
