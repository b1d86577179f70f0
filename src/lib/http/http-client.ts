import { type AgentOptions, Agent as PlainAgent, request as plainRequest } from 'node:http'
import { Agent as TlsAgent, type AgentOptions as TlsAgentOptions, request as tlsRequest } from 'node:https'
import type { Socket } from 'node:net'
import {
  type ConnectionOptions,
  connect as connectTls,
  createSecureContext,
  getCACertificates,
  type SecureContext,
} from 'node:tls'
import { Problems } from '#lib'
import { exchange, type HttpBody, type HttpResponse, type HttpStream, type Outgoing, openStream } from './exchange.ts'
import { type PreparedLimits, prepareConnections } from './prepared-connections.ts'
import { type ProxyEnvironment, readProxyEnvironment } from './proxy-environment.ts'

/**
 * HTTP(S) for daemons: `node:https` with one keep-alive agent, because global `fetch` costs 5 MiB of memory per process and
 * cannot take a CA, a server name or a proxy per client. Redirects are not followed: none of our servers sends any, and a
 * token must not travel to an address that a server names.
 */
export interface HttpRequest {
  /** Default `GET`. */
  method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | undefined
  url: URL
  headers?: Record<string, string> | undefined
  body?: string | HttpBody | undefined
  signal?: AbortSignal | undefined
  /** Time for the whole exchange, body included, in milliseconds. Default: the client's. */
  timeoutMs?: number | undefined
  /** Requests of different keys to one host are throttled apart, see `createRetryingSend`. Default: one key per host. */
  throttleKey?: string | undefined
}

export interface HttpStreamRequest extends HttpRequest {
  /** Time until the head of the answer, or until all of an answer that is not a success. Default: the client's `timeoutMs`. */
  headTimeoutMs?: number | undefined
  timeoutMs: number
}

export type HttpSend = (request: HttpRequest) => Promise<HttpResponse>

/** Both reject with `HttpFault` when there is no complete answer; an answer of any status is a result. */
export interface HttpClient {
  send: HttpSend
  /** An answer that is read as it comes, over a connection that does not count towards `maxSockets`. */
  stream(request: HttpStreamRequest): Promise<HttpStream>
  /**
   * Opens connections to the host of an https URL, until `count` are open and unused, for requests that are about to be sent, or fewer
   * where `prepared` allows no more. Does nothing for clients that open connections by themselves, and through a proxy that is asked
   * by TLS.
   *
   * @param owner of the share of `prepared` that they count towards. Default: an owner without a name.
   */
  prepare(url: URL, count: number, owner?: string): void
  /** Closes idle connections and ends those in use. */
  stop(): void
}

export interface HttpClientOptions {
  /** Default: no proxy. */
  proxyEnv?: ProxyEnvironment | undefined
  /** PEM certificates to trust instead of Node's own roots. */
  ca?: string | undefined
  /** PEM certificates to trust in addition to the roots. */
  extraCa?: string | undefined
  /** PEM client certificate and key. */
  cert?: string | undefined
  key?: string | undefined
  /** TLS server name to ask for and to verify, when it is not the URL's host. */
  servername?: string | undefined
  /** Opens the connections. Default: TCP in the network of this process. */
  connect?: ((host: string, port: number) => Promise<Socket>) | undefined
  /** Accepts any server certificate. */
  insecureSkipTlsVerify?: boolean | undefined
  /** Connections per host. Default 48. */
  maxSockets?: number | undefined
  /** Idle connections that stay open per host. Default: as many as `maxSockets`. */
  maxFreeSockets?: number | undefined
  /** Connections that `prepare` opened and no request uses yet, of all hosts and of one owner. Default 64, and 24 of one owner. */
  prepared?: PreparedLimits | undefined
  /** Time for one exchange, body included, in milliseconds. Default 10,000. */
  timeoutMs?: number | undefined
  /** Largest body accepted, in bytes. Default 4 MiB. */
  maxBodyBytes?: number | undefined
}

const defaultPrepared: PreparedLimits = { total: 64, perOwner: 24 }

/** Throws `ProblemsError` for proxy variables that cannot be used, and OpenSSL's error for such certificates or keys. */
export function createHttpClient(options: HttpClientOptions = {}): HttpClient {
  const { maxSockets = 48, timeoutMs = 10_000, maxBodyBytes = 4 * 1024 * 1024 } = options
  const common = { ...connectionOptions, ...proxyOptions(options) }
  const secure = { ...common, ...tlsOptions(options) }
  const pool = { maxSockets, maxFreeSockets: options.maxFreeSockets ?? maxSockets }
  const agents = { secure: new TlsAgent({ ...secure, ...pool }), plain: new PlainAgent({ ...common, ...pool }) }
  const streams = { secure: new TlsAgent(secure), plain: new PlainAgent(common) }
  if (options.connect !== undefined) {
    for (const agent of [agents.secure, agents.plain, streams.secure, streams.plain])
      useConnections(agent, options.connect)
  }
  const isPreparable = options.connect === undefined && !proxiesOf(options).some((proxy) => /^https:/i.test(proxy))
  const prepared = isPreparable ? prepareConnections(agents.secure, options.prepared ?? defaultPrepared) : undefined
  return {
    prepare({ protocol, hostname, port }, count, owner = '') {
      if (protocol === 'https:') prepared?.prepare(hostname, Number(port || 443), Math.min(count, maxSockets), owner)
    },
    send: (request) => exchange(outgoing(request, agents), { timeoutMs: request.timeoutMs ?? timeoutMs, maxBodyBytes }),
    stream(request) {
      const { headTimeoutMs = timeoutMs } = request
      return openStream(outgoing(request, streams), { headTimeoutMs, timeoutMs: request.timeoutMs })
    },
    stop() {
      prepared?.stop()
      for (const agent of [agents.secure, agents.plain, streams.secure, streams.plain]) agent.destroy()
    },
  }
}

function proxiesOf({ proxyEnv = {} }: HttpClientOptions): string[] {
  return Object.values(proxyEnv).filter((value) => typeof value === 'string')
}

/** Lets an agent open its connections by `connect`. */
function useConnections(agent: PlainAgent, connect: NonNullable<HttpClientOptions['connect']>): void {
  agent.createConnection = (options, callback) => {
    const { host, port } = options
    connect(host ?? '', Number(port)).then(
      (socket) =>
        callback?.(
          null,
          agent instanceof TlsAgent ? connectTls({ ...(options as ConnectionOptions), socket }) : socket,
        ),
      (error: Error) => callback?.(error, undefined as never),
    )
    return undefined
  }
}

interface Agents {
  secure: TlsAgent
  plain: PlainAgent
}

const connectionOptions = {
  keepAlive: true,
  // An idle connection is closed before common servers and load balancers close it.
  timeout: 90_000,
  scheduling: 'lifo',
} as const

function proxyOptions({ proxyEnv }: HttpClientOptions): AgentOptions {
  if (proxyEnv === undefined) return {}
  const problems = new Problems()
  const checked = readProxyEnvironment(proxyEnv, problems)
  problems.throwIfAny('environment')
  return { proxyEnv: checked }
}

function tlsOptions(options: HttpClientOptions): TlsAgentOptions {
  const { servername, insecureSkipTlsVerify = false } = options
  const secureContext = secureContextOf(options)
  return {
    minVersion: 'TLSv1.2',
    rejectUnauthorized: !insecureSkipTlsVerify,
    ...(secureContext === undefined ? {} : { secureContext }),
    ...(servername === undefined ? {} : { servername }),
  }
}

/** One context for all connections: made for each of them, as Node does by itself, it costs milliseconds and a MiB per 50. */
function secureContextOf({ ca, extraCa, cert, key }: HttpClientOptions): SecureContext | undefined {
  if (ca === undefined && extraCa === undefined && cert === undefined && key === undefined) return undefined
  const roots = ca === undefined ? getCACertificates('default') : [ca]
  return createSecureContext({
    ca: extraCa === undefined ? roots : [...roots, extraCa],
    cert,
    key,
    minVersion: 'TLSv1.2',
  })
}

function outgoing(request: HttpRequest, agents: Agents): Outgoing {
  const { method = 'GET', url, headers = {}, body, signal } = request
  const options = {
    method,
    headers: body === undefined ? headers : { ...headers, 'content-length': sizeOf(body) },
  }
  return {
    open: () =>
      url.protocol === 'https:'
        ? tlsRequest(url, { ...options, agent: agents.secure })
        : plainRequest(url, { ...options, agent: agents.plain }),
    host: url.host,
    body,
    signal,
  }
}

function sizeOf(body: string | HttpBody): number {
  return typeof body === 'string' ? Buffer.byteLength(body) : body.bytes
}
