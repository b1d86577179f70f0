/** Reader of the daemons' /metrics. It is strict, so that every test that reads a metric also checks the format. */
import assert from 'node:assert/strict'

export interface Sample {
  name: string
  labels: Readonly<Record<string, string>>
  value: number
}

export interface MetricsPage {
  /** As it was served. */
  text: string
  samples: readonly Sample[]
  /** Sum of the samples of this name that have at least these labels; undefined if there is no such sample. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined
  /** The same samples, for what is not a sum. */
  find(name: string, labels?: Readonly<Record<string, string>>): Sample[]
}

/** Reads the page that a daemon serves on loopback. */
export async function readMetrics(port: number | undefined): Promise<MetricsPage> {
  const response = await fetch(`http://127.0.0.1:${port ?? 0}/metrics`)
  assert.equal(response.status, 200)
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
  return parseMetrics(await response.text())
}

/**
 * Parses the Prometheus text format, with the families declared before their samples, as our daemons write it.
 * https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 */
export function parseMetrics(text: string): MetricsPage {
  assert.ok(text === '' || text.endsWith('\n'), 'metrics have to end with a line feed')
  const types = new Map<string, string>()
  const samples: Sample[] = []
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const [, typed, type] = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line) ?? []
    if (typed !== undefined && type !== undefined) {
      assert.ok(!types.has(typed), `${typed} has two TYPE lines`)
      types.set(typed, type)
    } else if (!/^# HELP \S+ \S/.test(line)) {
      samples.push(parseSample(line, types))
    }
  }
  const find: MetricsPage['find'] = (name, labels = {}) =>
    samples.filter(
      (sample) =>
        sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    )
  return {
    text,
    samples,
    find,
    value(name, labels) {
      const found = find(name, labels)
      return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0)
    },
  }
}

function parseSample(line: string, types: ReadonlyMap<string, string>): Sample {
  const [, name, block = '', number] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
  assert.ok(name !== undefined && number !== undefined, `not a line of the Prometheus text format: ${line}`)
  const family = types.get(name) ?? (types.get(name.replace(/_(bucket|sum|count)$/, '')) === 'histogram' || undefined)
  assert.ok(family !== undefined, `${name} has no TYPE line before it`)
  const value = Number(number.replace(/^([+-]?)Inf$/, '$1Infinity'))
  assert.ok(!Number.isNaN(value), `${line}: ${number} is not a number`)
  return { name, labels: parseLabels(block, line), value }
}

function parseLabels(block: string, line: string): Record<string, string> {
  const labels: Record<string, string> = Object.create(null)
  const pair = /([a-zA-Z_]\w*)="((?:[^"\\]|\\["\\n])*)"(?:,|$)/y
  while (pair.lastIndex < block.length) {
    const [, label, value] = pair.exec(block) ?? []
    assert.ok(label !== undefined && value !== undefined, `labels that cannot be read: ${line}`)
    assert.ok(!(label in labels), `label ${label} twice: ${line}`)
    labels[label] = value.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
  }
  return labels
}
