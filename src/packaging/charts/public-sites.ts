import { createChartRepository } from './chart-repository.ts'
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
    host: 'kubernetes-sigs.github.io',
    path: '/secrets-store-sync-controller/charts/',
    chart: 'secrets-store-sync-controller',
  },
  {
    host: 'raw.githubusercontent.com',
    path: '/Azure/aad-pod-identity/master/charts/',
    chart: 'aad-pod-identity',
  },
]

/**
 * The hosts of these addresses, each with a repository of the chart that it has upstream. The charts are put together when
 * the first of them is asked for.
 */
export function publicChartSites(load: () => Promise<readonly PackagedChart[]>): ChartSite[] {
  let loading: Promise<readonly PackagedChart[]> | undefined
  return [...new Set(addresses.map(({ host }) => host))].map((host) => ({
    host,
    async answer(request) {
      const { pathname } = new URL(request.url)
      const here = addresses.filter((each) => each.host === host)
      const asked = here.find(({ path }) => pathname.startsWith(path))
      if (asked === undefined) return notServed(here.map(({ path }) => path))
      loading ??= load()
      const charts = (await loading).filter(({ metadata }) => metadata.name === asked.chart)
      return createChartRepository(charts).answer(pathname.slice(asked.path.length))
    },
  }))
}

function notServed(paths: readonly string[]): Response {
  return new Response(`Of this host the lab has ${paths.join(' and ')} only.\n`, {
    status: 404,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
  })
}
