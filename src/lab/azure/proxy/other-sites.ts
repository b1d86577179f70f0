import type { Service } from '../http/service.ts'

/** A public host outside of Azure that the local Azure answers for too. */
export interface OtherSite {
  /** Host name: lower case, no port. */
  host: string
  answer(request: Request): Promise<Response>
}

/** These sites as services, by host. Faults and delays apply to them as to Azure's hosts. */
export function servicesOfSites(sites: readonly OtherSite[]): ReadonlyMap<string, Service> {
  return new Map(sites.map(({ host, answer }) => [host, serviceOf(host, answer)]))
}

function serviceOf(host: string, answer: OtherSite['answer']): Service {
  return {
    operations: [],
    fetch(request, exchange) {
      exchange.operation = `site.${host}`
      return answer(request)
    },
    refuse: ({ status, message, headers }) =>
      new Response(`${message}\n`, { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers } }),
  }
}
