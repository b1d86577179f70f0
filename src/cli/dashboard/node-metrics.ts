import type { KubeClient, Pod } from '#kubernetes/client'
import { sleep } from '#lib'
import { attempt } from '../answer.ts'
import { driverApp, providerApp } from '../doctor/product-facts.ts'

/** What a node does per minute; null where a program does not report it. */
export interface NodeRates {
  reads: number | null
  throttled: number | null
  signIns: number | null
}

const metrics = {
  reads: 'keymount_provider_vault_requests_total',
  throttled: 'keymount_provider_throttled_total',
  signIns: 'entra_token_requests_total',
} as const

/** As the chart sets them. */
const ports = { [providerApp]: 8898, [driverApp]: 8095 } as const
const sampleMs = 5000
const timeoutMs = 5000

/** Two readings of the metrics of a node's pods through the API server, a few seconds apart. Needs `get` on `pods/proxy`. */
export async function readNodeRates(
  kube: KubeClient,
  pods: readonly Pod[],
  signal: AbortSignal,
): Promise<NodeRates | { why: string }> {
  const first = await attempt(() => sample(kube, pods, signal))
  if ('why' in first) return first
  await sleep(sampleMs, { signal })
  const second = await attempt(() => sample(kube, pods, signal))
  if ('why' in second) return second
  const rate = (name: keyof typeof metrics) => {
    const [before, after] = [first.value.get(metrics[name]), second.value.get(metrics[name])]
    if (before === undefined && after === undefined) return null
    return Math.round((Math.max((after ?? 0) - (before ?? 0), 0) * 60_000) / sampleMs)
  }
  return { reads: rate('reads'), throttled: rate('throttled'), signIns: rate('signIns') }
}

async function sample(kube: KubeClient, pods: readonly Pod[], signal: AbortSignal): Promise<Map<string, number>> {
  const sums = new Map<string, number>()
  for (const { metadata } of pods) {
    const port = Object.entries(ports).find(([app]) => app === metadata.labels?.app)?.[1] ?? ports[providerApp]
    const path = `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}:${port}/proxy/metrics`
    for (const [name, value] of parseSums(await kube.raw({ method: 'GET', path, signal, timeoutMs }))) {
      sums.set(name, (sums.get(name) ?? 0) + value)
    }
  }
  return sums
}

/** The sum of all series of each metric that is read. https://prometheus.io/docs/instrumenting/exposition_formats/ */
function parseSums(text: string): Map<string, number> {
  const wanted = new Set<string>(Object.values(metrics))
  const sums = new Map<string, number>()
  for (const line of text.split('\n')) {
    const end = line.search(/[{ ]/)
    const name = end < 0 ? line : line.slice(0, end)
    if (!wanted.has(name)) continue
    const value = Number(line.slice(line.lastIndexOf(' ') + 1))
    if (Number.isFinite(value)) sums.set(name, (sums.get(name) ?? 0) + value)
  }
  return sums
}
