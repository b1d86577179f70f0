/**
 * Counters, gauges and histograms in the Prometheus text format. A writer of our own: prom-client costs 22 MiB of
 * resident memory in a daemon (measured), and the names and labels of the field are fixed anyway.
 * https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 */
export interface Counter {
  add(labels?: Labels, amount?: number): void
}

export interface Gauge {
  set(value: number, labels?: Labels): void
  /** Forgets every series, for gauges that are written anew as a whole. */
  clear(): void
}

export interface Histogram {
  observe(value: number, labels?: Labels): void
}

export type Labels = Readonly<Record<string, string>>

export interface Metrics {
  counter(name: string, help: string): Counter
  gauge(name: string, help: string): Gauge
  /** @param bounds upper bounds of the buckets, ascending, without infinity. */
  histogram(name: string, help: string, bounds: readonly number[]): Histogram
  /** Called before each {@link text}, for values that are read rather than counted. */
  beforeScrape(update: () => void): void
  /** The exposition, to be served with {@link metricsContentType}. */
  text(): string
}

export const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8'

interface Distribution {
  buckets: number[]
  sum: number
  count: number
}

/** @param common labels that every series carries. */
export function createMetrics(common: Labels = {}): Metrics {
  const families: { name: string; type: string; help: string; lines(): string[] }[] = []
  const updates: (() => void)[] = []

  function family<T>(name: string, type: string, help: string, render: (key: string, value: T) => string[]) {
    if (families.some((other) => other.name === name)) throw new Error(`metric ${name} is defined twice`)
    const series = new Map<string, T>()
    families.push({ name, type, help, lines: () => [...series].flatMap(([key, value]) => render(key, value)) })
    return series
  }

  const key = (labels: Labels) => formatLabels({ ...labels, ...common })

  return {
    counter(name, help) {
      const series = family<number>(name, 'counter', help, (labels, value) => [line(name, labels, value)])
      return {
        add(labels = {}, amount = 1) {
          const at = key(labels)
          series.set(at, (series.get(at) ?? 0) + amount)
        },
      }
    },

    gauge(name, help) {
      const series = family<number>(name, 'gauge', help, (labels, value) => [line(name, labels, value)])
      return { set: (value, labels = {}) => series.set(key(labels), value), clear: () => series.clear() }
    },

    histogram(name, help, bounds) {
      const series = family<Distribution>(name, 'histogram', help, (labels, { buckets, sum, count }) => [
        ...bounds.map((bound, i) => line(`${name}_bucket`, withLabel(labels, 'le', String(bound)), buckets[i] ?? 0)),
        line(`${name}_bucket`, withLabel(labels, 'le', '+Inf'), count),
        line(`${name}_sum`, labels, sum),
        line(`${name}_count`, labels, count),
      ])
      return {
        observe(value, labels = {}) {
          const at = key(labels)
          const seen = series.get(at) ?? { buckets: bounds.map(() => 0), sum: 0, count: 0 }
          series.set(at, {
            buckets: seen.buckets.map((count, i) => count + (value <= (bounds[i] ?? 0) ? 1 : 0)),
            sum: seen.sum + value,
            count: seen.count + 1,
          })
        },
      }
    },

    beforeScrape: (update) => updates.push(update),

    text() {
      for (const update of updates) update()
      const parts = families.map(({ name, type, help, lines }) => {
        const series = lines()
        return series.length === 0 ? '' : `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${series.join('\n')}\n`
      })
      return parts.join('')
    },
  }
}

function line(name: string, labels: string, value: number): string {
  return `${name}${labels === '' ? '' : `{${labels}}`} ${value}`
}

function formatLabels(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(',')
}

function withLabel(labels: string, name: string, value: string): string {
  return `${labels}${labels === '' ? '' : ','}${name}="${value}"`
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
