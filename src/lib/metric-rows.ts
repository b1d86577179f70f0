import type { MetricSpec } from './metrics.ts'

/** Rows of a table of metrics. */

type LabelSpecs = NonNullable<MetricSpec['labels']>

interface Row<T extends MetricSpec['type']> {
  type: T
  name: string
  help: string
}

export function counter(name: string, help: string): Row<'counter'>
export function counter<const L extends LabelSpecs>(
  name: string,
  help: string,
  labels: L,
): Row<'counter'> & { labels: L }
export function counter(name: string, help: string, labels?: LabelSpecs): MetricSpec {
  return { type: 'counter', name, help, ...(labels && { labels }) }
}

export function gauge(name: string, help: string): Row<'gauge'>
export function gauge<const L extends LabelSpecs>(name: string, help: string, labels: L): Row<'gauge'> & { labels: L }
export function gauge(name: string, help: string, labels?: LabelSpecs): MetricSpec {
  return { type: 'gauge', name, help, ...(labels && { labels }) }
}

/** @param buckets upper bounds, ascending, without infinity. */
export function histogram(name: string, help: string, buckets: readonly number[]): HistogramRow
export function histogram<const L extends LabelSpecs>(
  name: string,
  help: string,
  buckets: readonly number[],
  labels: L,
): HistogramRow & { labels: L }
export function histogram(name: string, help: string, buckets: readonly number[], labels?: LabelSpecs): MetricSpec {
  return { type: 'histogram', name, help, ...(labels && { labels }), buckets }
}

interface HistogramRow extends Row<'histogram'> {
  buckets: readonly number[]
}
