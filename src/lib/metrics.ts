/**
 * Counters, gauges and histograms in the Prometheus text format, from one table per part: the table is what registers the
 * series, what types their labels, and what `docs/metrics.md` is generated from.
 * A writer of our own, for the reasons in docs/decisions.
 * https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 */
export interface MetricSpec {
  type: 'counter' | 'gauge' | 'histogram'
  name: string
  help: string
  /** Name of each label → what its value is. */
  labels?: Readonly<Record<string, LabelSpec>>
  /** Of a histogram: upper bounds of its buckets, ascending, without infinity. */
  buckets?: readonly number[]
}

/** What a label's value is; with a limit where pods, classes or callers choose the values. */
export type LabelSpec =
  | string
  | {
      help: string
      /** Distinct values that get series of their own; what comes after is counted as `other`. */
      limit: number
      /** Values of another form are counted as `other` too. Default: any. */
      pattern?: RegExp
      /** Default `other`. */
      other?: string
    }

export type MetricTable = Readonly<Record<string, MetricSpec>>

export type Labels = Readonly<Record<string, string>>

type LabelsOf<S extends MetricSpec> = S extends { labels: infer L } ? { readonly [K in keyof L]: string } : never

export interface Counter<L> {
  /** `amount` is 1 by default. */
  add(...values: [L] extends [never] ? [labels?: undefined, amount?: number] : [labels: L, amount?: number]): void
}

export interface Gauge<L> {
  set(value: number, ...labels: [L] extends [never] ? [] : [labels: L]): void
  /** Removes every series, for gauges that are written again as a whole. */
  clear(): void
}

export interface Histogram<L> {
  observe(value: number, ...labels: [L] extends [never] ? [] : [labels: L]): void
}

type SeriesOf<S extends MetricSpec> = S['type'] extends 'counter'
  ? Counter<LabelsOf<S>>
  : S['type'] extends 'gauge'
    ? Gauge<LabelsOf<S>>
    : Histogram<LabelsOf<S>>

export interface Metrics<T extends MetricTable> {
  /** The series of the table, by its keys. */
  readonly series: { readonly [K in keyof T]: SeriesOf<T[K]> }
  /** Called before each {@link text}, for values that are read rather than counted. */
  beforeScrape(update: () => void): void
  /** The exposition, to be served with {@link metricsContentType}. */
  text(): string
}

export const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8'

interface Family {
  spec: MetricSpec
  render(): string[]
}

/** @param common labels that every series carries. */
export function createMetrics<const T extends MetricTable>(table: T, common: Labels = {}): Metrics<T> {
  const updates: (() => void)[] = []
  const families: Family[] = []
  const series = Object.fromEntries(
    Object.entries(table).map(([key, spec]) => {
      if (families.some((other) => other.spec.name === spec.name))
        throw new Error(`metric ${spec.name} is defined twice`)
      const { handle, render } = spec.type === 'histogram' ? histogram(spec, common) : number(spec, common)
      families.push({ spec, render })
      return [key, handle]
    }),
  )
  return {
    series: series as Metrics<T>['series'],
    beforeScrape: (update) => void updates.push(update),
    text() {
      for (const update of updates) update()
      return families.map(exposition).join('')
    },
  }
}

/** Measures `run` in seconds into a histogram, whether it succeeds or not. */
export async function timed<T>(observe: (seconds: number) => void, run: () => Promise<T>): Promise<T> {
  const start = performance.now()
  try {
    return await run()
  } finally {
    observe((performance.now() - start) / 1000)
  }
}

function exposition({ spec: { name, help, type }, render }: Family): string {
  const lines = render()
  return lines.length === 0 ? '' : `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('\n')}\n`
}

function number(spec: MetricSpec, common: Labels) {
  const values = new Map<string, number>()
  const keyOf = keysOf(spec, common)
  const handle = {
    add(labels?: Labels, amount = 1) {
      const key = keyOf(labels)
      values.set(key, (values.get(key) ?? 0) + amount)
    },
    set: (value: number, labels?: Labels) => void values.set(keyOf(labels), value),
    clear: () => values.clear(),
  }
  return { handle, render: () => [...values].map(([labels, value]) => line(spec.name, labels, value)) }
}

function histogram(spec: MetricSpec, common: Labels) {
  const { name, buckets: bounds = [] } = spec
  const values = new Map<string, { buckets: number[]; sum: number; count: number }>()
  const keyOf = keysOf(spec, common)
  const handle = {
    observe(value: number, labels?: Labels) {
      const key = keyOf(labels)
      let seen = values.get(key)
      if (seen === undefined) {
        seen = { buckets: bounds.map(() => 0), sum: 0, count: 0 }
        values.set(key, seen)
      }
      for (let i = bounds.length - 1; i >= 0 && value <= (bounds[i] ?? 0); i--)
        seen.buckets[i] = (seen.buckets[i] ?? 0) + 1
      seen.sum += value
      seen.count++
    },
  }
  const render = () =>
    [...values].flatMap(([labels, { buckets, sum, count }]) => [
      ...bounds.map((bound, i) => line(`${name}_bucket`, withLabel(labels, 'le', String(bound)), buckets[i] ?? 0)),
      line(`${name}_bucket`, withLabel(labels, 'le', '+Inf'), count),
      line(`${name}_sum`, labels, sum),
      line(`${name}_count`, labels, count),
    ])
  return { handle, render }
}

/** The labels of one series as text, values beyond a label's limit replaced. */
function keysOf(spec: MetricSpec, common: Labels): (labels?: Labels) => string {
  const limits = new Map<string, (value: string) => string>()
  for (const [name, label] of Object.entries(spec.labels ?? {})) {
    if (typeof label !== 'string') limits.set(name, limited(label))
  }
  const commonTexts = labelTexts(common)
  return (labels = {}) => {
    const own = Object.entries(labels).map(([label, value]) => labelText(label, limits.get(label)?.(value) ?? value))
    return [...own, ...commonTexts].join(',')
  }
}

function limited({ limit, pattern, other = 'other' }: Exclude<LabelSpec, string>): (value: string) => string {
  const values = new Set<string>()
  return (value) => {
    if (values.has(value)) return value
    if (values.size >= limit || (pattern !== undefined && !pattern.test(value))) return other
    values.add(value)
    return value
  }
}

function line(name: string, labels: string, value: number): string {
  return `${name}${labels === '' ? '' : `{${labels}}`} ${value}`
}

function labelTexts(labels: Labels): string[] {
  return Object.entries(labels).map(([name, value]) => labelText(name, value))
}

function labelText(name: string, value: string): string {
  return `${name}="${escapeLabel(value)}"`
}

function withLabel(labels: string, name: string, value: string): string {
  return `${labels}${labels === '' ? '' : ','}${labelText(name, value)}`
}

function escapeLabel(value: string): string {
  if (!/[\\"\n]/.test(value)) return value
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
