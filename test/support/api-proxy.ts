import { writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import { loadKubeconfig } from '#kubernetes/client'
import { listen } from '#lib/http'

/** What a request asks, for predicates: `POST /apis/…`. */
export type RequestLine = string

/** A plain HTTP front of an API server that counts requests, and can hold or refuse them. */
export interface ApiProxy {
  /** File: reaches the API server through this proxy, as the administrator. */
  readonly kubeconfig: string
  /** Lines of the requests so far, watches too. */
  readonly requests: RequestLine[]
  /** The next request that matches is not answered until it is released; resolves when it has come. */
  holdNext(matches: RegExp): Promise<void>
  /** Forwards the requests that are held. */
  release(): void
  /** Status to answer instead, while set. */
  fault: ((line: RequestLine) => number | undefined) | undefined
  stop(): Promise<void>
}

export async function startApiProxy(clusterKubeconfig: string, kubeconfig: string): Promise<ApiProxy> {
  const { server, ca, cert, key } = loadKubeconfig(clusterKubeconfig)
  const { hostname, port } = new URL(server)
  const agent = new Agent({ keepAlive: true, ca, cert, key })
  const holds: { matches: RegExp; come: () => void }[] = []
  const held: (() => void)[] = []

  const forward = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { host: _, ...headers } = incoming.headers
    const upstream = httpsRequest(
      { agent, hostname, port, method: incoming.method, path: incoming.url, headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        // A watch without events yet is an answer already.
        outgoing.flushHeaders()
        answer.pipe(outgoing)
      },
    )
    upstream.on('error', () => outgoing.destroy())
    outgoing.on('close', () => upstream.destroy())
    incoming.pipe(upstream)
  }

  const front = createServer((incoming, outgoing) => {
    const line = `${incoming.method} ${incoming.url}`
    proxy.requests.push(line)
    const index = holds.findIndex(({ matches }) => matches.test(line))
    if (index >= 0) {
      held.push(() => forward(incoming, outgoing))
      return holds.splice(index, 1)[0]?.come()
    }
    const status = proxy.fault?.(line)
    if (status === undefined) return forward(incoming, outgoing)
    incoming.resume()
    outgoing.writeHead(status, { 'content-type': 'application/json' })
    outgoing.end(
      JSON.stringify({ kind: 'Status', status: 'Failure', code: status, message: 'a fault that the test asked for' }),
    )
  })
  const listening = await listen(front, { host: '127.0.0.1', port: 0 })
  const proxy: ApiProxy = {
    kubeconfig,
    requests: [],
    holdNext: (matches) => new Promise((come) => holds.push({ matches, come })),
    release() {
      for (const answer of held.splice(0)) answer()
    },
    fault: undefined,
    async stop() {
      agent.destroy()
      await listening.stop()
    },
  }
  const url = `http://127.0.0.1:${listening.port}`
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server: url } }],
    users: [{ name: 'u', user: {} }],
  }
  writeFileSync(kubeconfig, JSON.stringify(config))
  return proxy
}
