import { type Clock, sleep } from '#lib'
import { parseJson } from '#lib/formats'
import { KubeError } from './kube-error.ts'
import type { Transport, TransportRequest, TransportResponse, TransportStream } from './transport.ts'

/** What every call may be given. */
export interface CallOptions {
  /** Ends the call, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Time for the call with its retries, in milliseconds. Default 30,000. */
  timeoutMs?: number | undefined
}

/** What calls share. */
export interface ApiConnection {
  transport: Transport
  userAgent: string
  clock: Clock
  random: () => number
  /** How much later than the server the client ends a watch, because a connection may have died without a sign. */
  watchGraceMs: number
  /** The server's clock at the last answer, and when that was by our monotonic clock. */
  serverTime: { now: number; at: number } | undefined
}

const defaultTimeoutMs = 30_000

/** How often a server that asks for a pause gets another try, and how long the pauses of one call may be in all. */
const maxRetries = 3
const maxPausesMs = 10_000

/** A successful answer, parsed. */
export async function callJson<T>(connection: ApiConnection, request: TransportRequest): Promise<T> {
  const { body } = await call(connection, request)
  return parseJson(`the answer to ${nameOf(request)}`, body) as T
}

/** A successful answer. Rejects with {@link KubeError} for any other. */
export function call(connection: ApiConnection, request: TransportRequest): Promise<TransportResponse> {
  const { transport } = connection
  return withPauses(connection, request, async (attempt) => {
    const response = await transport.send(attempt)
    return { response, errorText: () => response.body }
  })
}

/** A successful answer whose body is read for up to `streamMs`, once its head has arrived in time. */
export function callStream(
  connection: ApiConnection,
  request: TransportRequest & { streamMs: number },
): Promise<TransportStream> {
  const { transport } = connection
  return withPauses(connection, request, async (attempt) => {
    const response = await transport.stream({ ...attempt, streamMs: request.streamMs })
    return { response, errorText: () => textOf(response.body) }
  })
}

/**
 * A server that answers 429 or 503 with `Retry-After` did not begin to process the request: it is sent again after the
 * pause that was asked for, whatever its method. https://kubernetes.io/docs/concepts/cluster-administration/flow-control/
 */
async function withPauses<R extends TransportResponse | TransportStream>(
  connection: ApiConnection,
  request: TransportRequest,
  send: (attempt: TransportRequest) => Promise<{ response: R; errorText: () => string | Promise<string> }>,
): Promise<R> {
  const { clock, random, userAgent } = connection
  const headers = { 'user-agent': userAgent, ...request.headers }
  const deadline = clock.elapsed() + (request.timeoutMs ?? defaultTimeoutMs)
  let paused = 0
  for (let retries = 0; ; retries++) {
    const timeoutMs = Math.max(deadline - clock.elapsed(), 1)
    const { response, errorText } = await send({ ...request, headers, timeoutMs })
    noteClock(connection, response)
    if (response.status >= 200 && response.status < 300) return response
    const error = await errorOf(request, response, errorText)
    const pause = pauseAfter(error, random)
    const mayWait = pause !== undefined && retries < maxRetries && paused + pause <= maxPausesMs
    if (!mayWait || clock.elapsed() + pause >= deadline) throw error
    paused += pause
    await sleep(pause, { clock, signal: request.signal })
  }
}

async function errorOf(
  request: TransportRequest,
  { status, headers }: TransportResponse | TransportStream,
  text: () => string | Promise<string>,
): Promise<KubeError> {
  return KubeError.fromResponse(nameOf(request), status, await text(), headers['retry-after'])
}

function pauseAfter({ status, retryAfterSeconds }: KubeError, random: () => number): number | undefined {
  if (retryAfterSeconds === undefined || (status !== 429 && status !== 503)) return undefined
  // Spread, or all clients that were turned away would return in the same moment.
  return (retryAfterSeconds + 0.25 * random()) * 1000
}

/** The server's clock minus ours. Counted on by the monotonic clock, so that a step of ours shows at once. */
export function clockOffset({ serverTime, clock }: ApiConnection): number | undefined {
  return serverTime && serverTime.now + clock.elapsed() - serverTime.at - clock.now()
}

function noteClock(connection: ApiConnection, { headers }: { headers: TransportResponse['headers'] }): void {
  const now = Date.parse(headers.date ?? '')
  if (!Number.isNaN(now)) connection.serverTime = { now, at: connection.clock.elapsed() }
}

/** Enough for a Status. */
const maxErrorBytes = 64 * 1024

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    size += chunk.length
    if (size > maxErrorBytes) break
  }
  return Buffer.concat(chunks).toString('utf8')
}

function nameOf({ method, path }: TransportRequest): string {
  return `${method} ${path.split('?', 1)[0]}`
}
