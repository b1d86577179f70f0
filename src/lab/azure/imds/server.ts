import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { type Listening, listenOrAdvise } from '#lib/http'

/** IMDS is plain HTTP without a proxy, so it has its own server. */
export function startImdsServer(options: {
  listen: string
  port: number
  answer: (request: Request) => Promise<Response>
}): Promise<Listening> {
  const server = createServer(getRequestListener(options.answer))
  return listenOrAdvise(server, { host: options.listen, port: options.port }, { flag: '--imds-port' })
}
