import { type ClientRequest, type IncomingMessage, Agent as PlainAgent, request as plainRequest } from 'node:http'
import { Agent as TlsAgent, request as tlsRequest } from 'node:https'
import { createSecureContext, getCACertificates } from 'node:tls'
import { errorCode, errorMessage } from '#lib'

/**
 * HTTP(S) for daemons: `node:https` with one keep-alive agent, because global `fetch` costs 5 MiB of memory per process and
 * cannot take a CA, a server name or a proxy per client. Redirects are not followed: none of our servers sends any, and a
 * token must not travel to a place that a server names.
 */
export interface HttpRequest {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  url: URL
  headers?: Record<string, string>
  body?: string
  signal?: AbortSignal | undefined
  /** Time for the whole exchange, in milliseconds. Default: the client's. */
  timeoutMs?: number
}

export interface HttpResponse {
  status: number
  headers: IncomingMessage['headers']
  body: Buffer
}

export type HttpSend = (request: HttpRequest) => Promise<HttpResponse>

export interface HttpClient {
  send: HttpSend
  /** Closes idle connections and ends those in use. */
  stop(): void
}

export interface HttpClientOptions {
  /** `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` and their lower-case forms, as the environment writes them. Default: no proxy. */
  proxyEnv?: Record<string, string | undefined>
  /** PEM certificates to trust instead of Node's own roots. */
  ca?: string | undefined
  /** PEM certificates to trust beside the roots. */
  extraCa?: string | undefined
  /** TLS server name to ask for and to verify, when it is not the URL's host. */
  servername?: string
  /** Connections per host. Default 48. */
  maxSockets?: number
  /** Time for one exchange in milliseconds. Default 10,000. */
  timeoutMs?: number
  /** Largest body accepted, in bytes. Default 4 MiB. */
  maxBodyBytes?: number
}

export type HttpFaultKind =
  | 'dns'
  | 'refused'
  | 'tls'
  | 'proxy'
  | 'timeout'
  | 'connection'
  | 'too-large'
  | 'throttled'
  | 'aborted'

/** No answer: which host, what kind of failure. The message is fit for people. */
export class HttpFault extends Error {
  override readonly name = 'HttpFault'
  readonly kind: HttpFaultKind
  readonly host: string
  /** For `throttled`: when the host may be asked again, in milliseconds from now. */
  readonly retryAfterMs: number | undefined

  constructor(
    kind: HttpFaultKind,
    host: string,
    message: string,
    options: ErrorOptions & { retryAfterMs?: number } = {},
  ) {
    super(message, options)
    this.kind = kind
    this.host = host
    this.retryAfterMs = options.retryAfterMs
  }
}

export function createHttpClient(options: HttpClientOptions = {}): HttpClient {
  const { proxyEnv, servername, maxSockets = 48, timeoutMs = 10_000, maxBodyBytes = 4 * 1024 * 1024 } = options
  // An idle connection is closed after 90 s, before the servers and load balancers of the field close it under our feet.
  const common = { keepAlive: true, maxSockets, timeout: 90_000, scheduling: 'lifo' as const }
  const proxy = proxyEnv === undefined ? {} : { proxyEnv: definedOnly(proxyEnv) }
  const secureContext = secureContextOf(options)
  const secure = new TlsAgent({
    ...common,
    ...proxy,
    minVersion: 'TLSv1.2',
    ...(secureContext === undefined ? {} : { secureContext }),
    ...(servername === undefined ? {} : { servername }),
  })
  const plain = new PlainAgent({ ...common, ...proxy })

  return {
    send(request) {
      const open = (): ClientRequest =>
        request.url.protocol === 'https:'
          ? tlsRequest(request.url, { ...head(request), agent: secure })
          : plainRequest(request.url, { ...head(request), agent: plain })
      return exchange(open, request, { timeoutMs: request.timeoutMs ?? timeoutMs, maxBodyBytes })
    },
    stop() {
      secure.destroy()
      plain.destroy()
    },
  }
}

/** One context for all connections: parsing the roots anew for each connection would cost milliseconds of CPU each time. */
function secureContextOf({ ca, extraCa }: HttpClientOptions): ReturnType<typeof createSecureContext> | undefined {
  if (ca === undefined && extraCa === undefined) return undefined
  const roots = ca === undefined ? getCACertificates('default') : [ca]
  return createSecureContext({ ca: extraCa === undefined ? roots : [...roots, extraCa], minVersion: 'TLSv1.2' })
}

function definedOnly(env: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined))
}

function head({ method = 'GET', headers = {}, body }: HttpRequest) {
  return { method, headers: body === undefined ? headers : { ...headers, 'content-length': Buffer.byteLength(body) } }
}

function exchange(
  open: () => ClientRequest,
  { url, body, signal }: HttpRequest,
  { timeoutMs, maxBodyBytes }: { timeoutMs: number; maxBodyBytes: number },
): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted(url.host, signal))
    const request = open()
    const timer = setTimeout(() => giveUp(timedOut(url.host, timeoutMs)), timeoutMs)
    const onAbort = () => giveUp(aborted(url.host, signal))
    signal?.addEventListener('abort', onAbort, { once: true })
    const settle = (end: () => void) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      end()
    }
    const fail = (error: unknown) => settle(() => reject(httpFault(url.host, error)))
    // The fault is not handed to `destroy`: a socket whose answer has arrived in full belongs to the agent again, and would
    // throw it where nobody listens.
    const giveUp = (fault: HttpFault) => {
      fail(fault)
      request.destroy()
    }
    request.on('error', fail)
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > maxBodyBytes) giveUp(tooLarge(url.host, maxBodyBytes))
        else chunks.push(chunk)
      })
      response.on('error', fail)
      response.on('end', () =>
        settle(() =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        ),
      )
    })
    request.end(body)
  })
}

function timedOut(host: string, ms: number): HttpFault {
  return new HttpFault('timeout', host, `no answer from ${host} within ${ms / 1000} s`)
}

function tooLarge(host: string, bytes: number): HttpFault {
  return new HttpFault('too-large', host, `the answer of ${host} is larger than ${bytes} bytes`)
}

function aborted(host: string, signal: AbortSignal | undefined): HttpFault {
  return new HttpFault('aborted', host, `the call to ${host} was given up: ${errorMessage(signal?.reason)}`)
}

/** Names the kind of failure behind what Node threw. https://nodejs.org/api/errors.html#nodejs-error-codes */
function httpFault(host: string, cause: unknown): HttpFault {
  if (cause instanceof HttpFault) return cause
  const code = errorCode(cause) ?? ''
  const text = errorMessage(cause) || code
  const fault = (kind: HttpFaultKind, message: string) => new HttpFault(kind, host, message, { cause })
  if (code === 'ENOTFOUND' || code.startsWith('EAI_'))
    return fault('dns', `the name ${host} cannot be resolved (${code})`)
  if (code === 'ECONNREFUSED') return fault('refused', `${host} refused the connection (${text})`)
  if (code === 'ERR_PROXY_TUNNEL' || code === 'ERR_PROXY_INVALID_CONFIG')
    return fault('proxy', `the HTTPS proxy gave no way to ${host} (${text})`)
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO|HOSTNAME/.test(code))
    return fault('tls', `no trusted TLS connection to ${host} (${code}: ${text})`)
  if (code === 'ETIMEDOUT') return fault('timeout', `${host} cannot be reached (${text})`)
  return fault('connection', `the connection to ${host} failed (${text})`)
}
