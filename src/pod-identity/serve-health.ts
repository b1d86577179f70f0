import { type HttpServer, type ListenAddress, listenHttp, metricsContentType } from '../lib/index.ts'

/** `/healthz`: always 200, as upstream; the text tells whether the process does its work. */
export function serveHealth(address: ListenAddress, isActive: () => boolean): Promise<HttpServer> {
  return listenHttp(address, ({ url }, response) => {
    if (url?.split('?')[0] !== '/healthz') return void response.writeHead(404).end('not found\n')
    response.writeHead(200, { 'content-type': 'text/plain' }).end(isActive() ? 'Active' : 'Not Active')
  })
}

/** `/metrics` in the Prometheus text format. */
export function serveMetrics(address: ListenAddress, text: () => string): Promise<HttpServer> {
  return listenHttp(address, ({ url }, response) => {
    if (url?.split('?')[0] !== '/metrics') return void response.writeHead(404).end('not found\n')
    response.writeHead(200, { 'content-type': metricsContentType }).end(text())
  })
}
