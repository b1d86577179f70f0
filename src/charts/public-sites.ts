import { type ChartRepository, createChartRepository } from './chart-repository.ts'
import type { PackagedChart } from './package-charts.ts'

/** What answers for a public host name. */
export interface ChartSite {
  host: string
  answer(request: Request): Promise<Response>
}

/** Where upstream's charts are, then and now: walk-throughs name these addresses. */
const addresses: readonly { host: string; path: string; chart: string }[] = [
  {
    host: 'raw.githubusercontent.com',
    path: '/Azure/secrets-store-csi-driver-provider-azure/master/charts/',
    chart: 'csi-secrets-store-provider-azure',
  },
  {
    host: 'azure.github.io',
    path: '/secrets-store-csi-driver-provider-azure/charts/',
    chart: 'csi-secrets-store-provider-azure',
  },
  { host: 'azure.github.io', path: '/azure-workload-identity/charts/', chart: 'workload-identity-webhook' },
  {
    host: 'raw.githubusercontent.com',
    path: '/Azure/aad-pod-identity/master/charts/',
    chart: 'aad-pod-identity',
  },
]

/** The sites that have a repository with one of these charts, at the address that it has upstream. */
export function publicChartSites(charts: readonly PackagedChart[]): ChartSite[] {
  const repositories = new Map<string, Map<string, ChartRepository>>()
  for (const { host, path, chart } of addresses) {
    const found = charts.filter(({ metadata }) => metadata.name === chart)
    if (found.length === 0) continue
    const ofHost = repositories.get(host) ?? new Map<string, ChartRepository>()
    repositories.set(host, ofHost.set(path, createChartRepository(found)))
  }
  return [...repositories].map(([host, below]) => ({
    host,
    answer: (request) => Promise.resolve(answerBelow(below, new URL(request.url).pathname)),
  }))
}

function answerBelow(repositories: ReadonlyMap<string, ChartRepository>, path: string): Response {
  for (const [base, repository] of repositories) {
    if (path.startsWith(base)) return repository.answer(path.slice(base.length))
  }
  return new Response(`Of this host the lab has ${[...repositories.keys()].join(' and ')} only.\n`, {
    status: 404,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
  })
}
