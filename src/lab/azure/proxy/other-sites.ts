import type { Service } from '../http/service.ts'

/** A public host beside Azure's that clients of the lab ask, and who answers for it. */
export interface OtherSite {
  /** Host name: lower case, no port. */
  host: string
  answer(request: Request): Promise<Response>
}

/** These sites as services by host. Faults and delays meet them as they meet Azure's hosts. */
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
