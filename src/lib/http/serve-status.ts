import { errorMessage, metricsContentType } from '#lib'
import { createSingleFlight } from '#lib/async'
import type { ListenAddress } from '#lib/flags'
import type { Listening } from './listen.ts'
import { listenHttp } from './listen-http.ts'

export interface StatusAnswer {
  body: string
  /** Default 200. */
  status?: number
  /** Default `text/plain`. */
  contentType?: string
}

/** What is answered on which path. A route that throws answers 503 with the reason. */
export type StatusRoutes = Readonly<Record<string, () => StatusAnswer | Promise<StatusAnswer>>>

/** Health and metrics of a daemon over plain HTTP. Requests of one path at the same time share one answer. */
export function serveStatus(address: ListenAddress, routes: StatusRoutes): Promise<Listening> {
  const known = Object.keys(routes).join(', ')
  const joinFlight = createSingleFlight<StatusAnswer>()
  const answer = async (path: string): Promise<StatusAnswer> => {
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined
    if (route === undefined) return { status: 404, body: `no such path; known: ${known}\n` }
    return joinFlight(path, async () => route())
  }
  return listenHttp(
    address,
    (request, response) => {
      void answer(request.url?.split('?')[0] ?? '')
        .catch((error: unknown): StatusAnswer => ({ status: 503, body: `${errorMessage(error)}\n` }))
        .then(({ body, status = 200, contentType = 'text/plain' }) =>
          response.writeHead(status, { 'content-type': contentType }).end(body),
        )
    },
    { maxConnections },
  )
}

/** A few scrapers and kubelet connect here; on the network of the node, pods can do so too. */
const maxConnections = 64

/** `/metrics` in the Prometheus text format. */
export function serveMetrics(address: ListenAddress, text: () => string): Promise<Listening> {
  return serveStatus(address, { '/metrics': () => ({ body: text(), contentType: metricsContentType }) })
}
