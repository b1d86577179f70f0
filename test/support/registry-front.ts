import { type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { TestContext } from 'node:test'
import { listen, listenHttp } from '#lib/http'

/** Answers a request in place of the registry, and returns whether it did. */
export type Intercept = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>

export interface FrontSettings {
  /** Default: none, the front speaks plain HTTP. */
  tls?: { cert: string; key: string } | undefined
  /** `HOST:PORT` of the registry. */
  registry: string
  intercept?: Intercept | undefined
}

/** What companies have before a registry: a server of its own that passes most requests on. Gives its port. */
export async function startRegistryFront(t: TestContext, settings: FrontSettings): Promise<number> {
  const handle = (incoming: IncomingMessage, response: ServerResponse) => void answer(incoming, response, settings)
  const address = { host: '127.0.0.1', port: 0 }
  const { port, stop } =
    settings.tls === undefined
      ? await listenHttp(address, handle)
      : await listen(createServer(settings.tls, handle), address)
  t.after(stop)
  return port
}

async function answer(incoming: IncomingMessage, response: ServerResponse, settings: FrontSettings): Promise<void> {
  if (await settings.intercept?.(incoming, response)) return
  const { method, url, headers } = incoming
  // The registry makes addresses of the host and protocol that the client used.
  const forwarded = settings.tls === undefined ? headers : { ...headers, 'x-forwarded-proto': 'https' }
  const outgoing = request(`http://${settings.registry}${url}`, { method, headers: forwarded }, (answered) => {
    response.writeHead(answered.statusCode ?? 502, answered.headers)
    answered.pipe(response)
  })
  outgoing.on('error', () => response.destroy())
  incoming.pipe(outgoing)
}

/** The text of a request's body. */
export async function textOf(incoming: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of incoming) text += chunk
  return text
}
