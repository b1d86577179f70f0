import { once } from 'node:events'
import { request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { connect, type Socket } from 'node:net'

export interface TunnelTarget {
  /** Lower case; IPv6 addresses in brackets. */
  host: string
  port: number
}

/** A connection to a host, directly or through the machine's own proxy. Rejects when it cannot be made; the reason never has the proxy's credentials. */
export async function openTunnel(target: TunnelTarget, proxy: URL | undefined, signal: AbortSignal): Promise<Socket> {
  return proxy === undefined ? connectTo(target, signal) : connectThrough(proxy, target, signal)
}

async function connectTo({ host, port }: TunnelTarget, signal: AbortSignal): Promise<Socket> {
  const socket = connect({ host: host.replace(/^\[|\]$/g, ''), port, signal })
  await once(socket, 'connect', { signal })
  return socket
}

/** RFC 9110 section 9.3.6. */
async function connectThrough(proxy: URL, { host, port }: TunnelTarget, signal: AbortSignal): Promise<Socket> {
  const authority = `${host}:${port}`
  const request = (proxy.protocol === 'https:' ? tlsRequest : plainRequest)({
    hostname: proxy.hostname.replace(/^\[|\]$/g, ''),
    port: proxy.port || undefined,
    method: 'CONNECT',
    path: authority,
    headers: { host: authority, ...credentialsOf(proxy) },
    signal,
    agent: false,
  })
  request.end()
  const [response, socket, head] = await once(request, 'connect', { signal })
  if (response.statusCode === 200) {
    if (head.length > 0) socket.unshift(head)
    return socket
  }
  socket.destroy()
  throw new Error(`the machine's proxy at ${proxy.host} answered ${response.statusCode}`)
}

function credentialsOf({ username, password }: URL): Record<string, string> {
  if (username === '') return {}
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(text).toString('base64')}` }
}
