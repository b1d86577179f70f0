import { getRequestListener } from '@hono/node-server'
import type { Running } from '#lib'
import { listenHttp } from '#lib/http'
import type { ChartRepository } from './chart-repository.ts'

export interface ChartServer extends Running {
  /** For `helm repo add`. */
  url: string
}

/** Serves a repository over plain HTTP on loopback, until it is stopped. Port 0 takes a free one. */
export async function startChartServer(repository: ChartRepository, port: number): Promise<ChartServer> {
  const host = '127.0.0.1'
  const listener = getRequestListener(({ url }) => repository.answer(new URL(url).pathname.slice(1)))
  const server = await listenHttp({ host, port }, (request, response) => void listener(request, response))
  return { url: `http://${host}:${server.port}`, stop: () => server.stop() }
}
