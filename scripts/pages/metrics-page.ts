import { globSync } from 'node:fs'
import { join } from 'node:path'
import type { LabelSpec, MetricSpec, MetricTable } from '#lib'
import { code, generatedFrom, markdownTable } from './table.ts'

const root = join(import.meta.dirname, '../..')

const intro = `# Metrics

${generatedFrom('the metric tables of the programs (`src/product/**/*-metrics.ts`)')}

Every daemon serves Prometheus text at \`/metrics\`; [configuration.md](configuration.md#ports) has the ports. A metric appears with its first
sample. A label whose values other programs choose has a bounded number of values, and further ones are counted together.
`

const titles: Readonly<Record<string, string>> = {
  driverMetrics: 'Driver',
  providerMetrics: 'Provider',
  webhookMetrics: 'Controller (webhook)',
  syncMetrics: 'Controller of SecretSyncs (sync)',
  operatorMetrics: 'Operator (operator): restarts',
  eventsMetrics: 'Operator (operator): events',
  notifyMetrics: 'Sidecar of an application (notify)',
  micMetrics: 'Controller of pod identity (mic)',
  nmiMetrics: 'Node endpoint of pod identity (nmi)',
}

/** The text of docs/metrics.md. */
export async function metricsPage(): Promise<string> {
  const tables = await metricTables()
  const order = Object.keys(titles)
  const rank = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length)
  const sections = [...tables]
    .toSorted(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b))
    .map(([name, table]) => `## ${titles[name] ?? name.replace(/Metrics$/, '')}\n\n${section(table)}\n`)
  return [intro, ...sections].join('\n')
}

/** Every exported table of metrics in the product, by the name of its export. */
export async function metricTables(): Promise<Map<string, MetricTable>> {
  const found = new Map<string, MetricTable>()
  for (const file of globSync('src/product/**/*-metrics.ts', { cwd: root }).toSorted()) {
    const exported = (await import(join(root, file))) as Record<string, unknown>
    for (const [name, value] of Object.entries(exported)) if (isTable(value)) found.set(name, value)
  }
  return found
}

function isTable(value: unknown): value is MetricTable {
  if (typeof value !== 'object' || value === null) return false
  const specs = Object.values(value) as Partial<MetricSpec>[]
  return (
    specs.length > 0 && specs.every(({ type, name, help }) => [type, name, help].every((x) => typeof x === 'string'))
  )
}

function section(table: MetricTable): string {
  return markdownTable(
    ['name', 'type', 'labels', 'meaning'],
    Object.values(table).map(({ name, type, labels = {}, help, buckets }) => [
      code(name),
      type,
      Object.entries(labels)
        .map(([label, spec]) => `${code(label)}: ${labelText(spec)}`)
        .join('\n'),
      buckets === undefined ? help : `${help}\nBuckets: ${buckets.join(', ')}`,
    ]),
  )
}

function labelText(spec: LabelSpec): string {
  if (typeof spec === 'string') return spec
  return `${spec.help}; at most ${spec.limit} values, then ${code(spec.other ?? 'other')}`
}
