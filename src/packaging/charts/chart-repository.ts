import { stringify } from 'yaml'
import type { PackagedChart } from './package-charts.ts'

/** A Helm repository: an index and the packages it names. https://helm.sh/docs/topics/chart_repository/ */
export interface ChartRepository {
  /** The answer for a path below the repository's address, without a leading slash. */
  answer(path: string): Response
}

/** A repository of these charts. Its addresses are relative, so it can be served at any address. */
export function createChartRepository(charts: readonly PackagedChart[]): ChartRepository {
  const index = stringify({
    apiVersion: 'v1',
    entries: Object.fromEntries(charts.map((chart) => [chart.metadata.name, [indexEntry(chart)]])),
    generated: epoch,
  })
  const packages = new Map(charts.map(({ fileName, bytes }) => [fileName, bytes]))
  return {
    answer(path) {
      if (path === 'index.yaml') return new Response(index, { headers: { 'content-type': 'text/yaml; charset=utf-8' } })
      const found = packages.get(decodeURIComponent(path))
      if (found === undefined) return notFound([...packages.keys()])
      return new Response(new Uint8Array(found), { headers: { 'content-type': 'application/gzip' } })
    },
  }
}

/** Neither Helm nor anybody else orders by it here, and so the same charts give the same index. */
const epoch = '1970-01-01T00:00:00Z'

function indexEntry({ metadata, fileName, sha256 }: PackagedChart): object {
  return { ...metadata, created: epoch, digest: sha256, urls: [encodeURIComponent(fileName)] }
}

function notFound(files: readonly string[]): Response {
  return new Response(`Here are index.yaml, ${files.join(', ')}.\n`, {
    status: 404,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
  })
}
