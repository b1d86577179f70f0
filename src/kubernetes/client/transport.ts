import { errorMessage, ProblemsError } from '#lib'
import { createHttpClient, type HttpClient, HttpFault, type HttpRequest, type HttpResponse } from '#lib/http'
import type { KubeConfig } from './kube-config.ts'
import { KubeError } from './kube-error.ts'

export interface TransportRequest {
  method: NonNullable<HttpRequest['method']>
  /** Path with query. */
  path: string
  headers?: Record<string, string> | undefined
  body?: string | undefined
  signal?: AbortSignal | undefined
  /** Time for the whole exchange, body included, in milliseconds. Default 30,000. */
  timeoutMs?: number | undefined
}

export interface TransportResponse {
  status: number
  headers: HttpResponse['headers']
  body: string
}

export interface TransportStream {
  status: number
  headers: HttpResponse['headers']
  /** To be read to its end or left early, which closes the connection. */
  body: AsyncGenerator<Uint8Array>
}

/**
 * HTTP exchanges with the API server. Rejects with {@link KubeError} of status 0 when there is no complete answer, and with
 * the signal's reason on abort.
 */
export interface Transport {
  send(request: TransportRequest): Promise<TransportResponse>
  /** An answer that is read as it comes, for up to `streamMs`; its head, or an answer that is not a success, is due within `timeoutMs`. */
  stream(request: TransportRequest & { streamMs: number }): Promise<TransportStream>
  close(): void
}

/** Larger than any object: etcd takes 1.5 MiB, and 8 MiB where it was raised. A page of a list that is larger is asked for in parts. */
const maxBodyBytes = 16 * 1024 * 1024

/** Throws {@link ProblemsError} for certificates that cannot be used. */
export function createTransport(config: KubeConfig): Transport {
  const client = clientOf(config)
  return {
    async send(request) {
      const { status, headers, body } = await client
        .send(await httpRequest(config, request))
        .catch((error: unknown) => {
          throw kubeFault(config, request, error)
        })
      return { status, headers, body: body.toString('utf8') }
    },
    async stream(request) {
      const { timeoutMs: headTimeoutMs, streamMs: timeoutMs } = request
      const outgoing = { ...(await httpRequest(config, request)), headTimeoutMs, timeoutMs }
      const answer = await client.stream(outgoing).catch((error: unknown) => {
        throw kubeFault(config, request, error)
      })
      return { ...answer, body: translated(config, request, answer.body) }
    },
    close: () => client.stop(),
  }
}

function clientOf(config: KubeConfig): HttpClient {
  const { server, ca, cert, key, tlsServerName: servername, insecureSkipTlsVerify } = config
  try {
    return createHttpClient({
      ca,
      cert,
      key,
      servername,
      insecureSkipTlsVerify,
      maxSockets: 32,
      // Pods that start at once need many connections for a second; what stays open stays in memory.
      maxFreeSockets: 4,
      timeoutMs: 30_000,
      maxBodyBytes,
    })
  } catch (error) {
    const message = `the certificate authority, client certificate or key cannot be used: ${errorMessage(error)}`
    throw new ProblemsError(server, [{ path: '', message }])
  }
}

async function httpRequest(config: KubeConfig, request: TransportRequest): Promise<HttpRequest> {
  const token = await config.token?.()
  const { method, path, headers, body, signal, timeoutMs } = request
  return {
    method,
    url: new URL(`${config.server}${path}`),
    headers: {
      accept: 'application/json',
      ...headers,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body,
    signal,
    timeoutMs,
  }
}

async function* translated(
  config: KubeConfig,
  request: TransportRequest,
  body: AsyncIterable<Buffer>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body
  } catch (error) {
    throw kubeFault(config, request, error)
  }
}

function kubeFault({ server }: KubeConfig, { signal }: TransportRequest, error: unknown): unknown {
  if (!(error instanceof HttpFault)) return error
  if (error.code === 'aborted') return signal?.reason
  const reached = error.code === 'timeout' || error.code === 'too-large'
  const message = reached ? `${server}: ${error.message}` : `${server} is unreachable: ${error.message}`
  return new KubeError(message, { status: 0, cause: error, retryable: error.retryable })
}
