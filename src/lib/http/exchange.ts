import type { ClientRequest, IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { aborted, type HttpFault, httpFault, timedOut, tooLarge } from './http-fault.ts'

export interface HttpResponse {
  status: number
  headers: IncomingMessage['headers']
  body: Buffer
}

/** A request's body that is read while it is sent, from its beginning for each attempt. */
export interface HttpBody {
  /** How many bytes {@link open} gives. */
  bytes: number
  open(): AsyncIterable<Uint8Array>
}

export interface HttpStream {
  status: number
  headers: IncomingMessage['headers']
  /** To be read to its end or left early, which closes the connection. Throws {@link HttpFault}. */
  body: AsyncGenerator<Buffer>
}

export interface Outgoing {
  /** Opens the request; its connection may still have to wait for a free socket, which counts towards the deadline. */
  open(): ClientRequest
  /** Names the server in errors. */
  host: string
  body?: string | HttpBody | undefined
  signal?: AbortSignal | undefined
}

/** One HTTP exchange: a single deadline for connection, head and body. Rejects with {@link HttpFault}. */
export async function exchange(
  outgoing: Outgoing,
  { timeoutMs, maxBodyBytes }: { timeoutMs: number; maxBodyBytes: number },
): Promise<HttpResponse> {
  const { status, headers, body } = await openStream(outgoing, { headTimeoutMs: timeoutMs, timeoutMs })
  return { status, headers, body: await readAll(body, outgoing.host, maxBodyBytes) }
}

/** The whole body, which may have at most `maxBytes`. */
export async function readAll(body: AsyncIterable<Buffer>, host: string, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > maxBytes) throw tooLarge(host, maxBytes)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** A longer timer would fire at once. https://nodejs.org/api/timers.html#settimeoutcallback-delay-args */
const longestTimerMs = 2 ** 31 - 1

/** What ends an exchange early, and what releases it. */
interface Ending {
  /** Why the exchange was ended by us. */
  fault: HttpFault | undefined
  release(): void
}

/**
 * An exchange whose body is read as it comes: the head must arrive within `headTimeoutMs`, and everything within `timeoutMs`.
 * An answer that is not a success must be complete within `headTimeoutMs`. Rejects with {@link HttpFault}.
 */
export function openStream(
  { open, host, body, signal }: Outgoing,
  { headTimeoutMs, timeoutMs }: { headTimeoutMs: number; timeoutMs: number },
): Promise<HttpStream> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted(host, signal))
    const request = open()
    const end = (fault: HttpFault) => {
      ending.fault ??= fault
      fail(fault)
      // The fault is not passed to `destroy`: a socket whose answer has arrived in full belongs to the agent again, and would
      // throw it where nothing catches it.
      request.destroy()
    }
    const onAbort = () => end(aborted(host, signal))
    const after = (ms: number) => setTimeout(() => end(timedOut(host, ms)), Math.min(ms, longestTimerMs))
    const headTimer = headTimeoutMs < timeoutMs ? after(headTimeoutMs) : undefined
    const timer = after(timeoutMs)
    signal?.addEventListener('abort', onAbort, { once: true })
    const ending: Ending = {
      fault: undefined,
      release() {
        clearTimeout(headTimer)
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      },
    }
    const fail = (error: unknown) => {
      ending.release()
      reject(ending.fault ?? httpFault(host, error))
    }
    // After the head this only marks the error as handled: the reader of the body gets it.
    request.on('error', fail)
    request.on('response', (response) => {
      const { statusCode: status = 0, headers } = response
      if (status >= 200 && status < 300) clearTimeout(headTimer)
      // Also when nothing reads the body.
      response.on('close', ending.release)
      resolve({ status, headers, body: bodyOf(response, request, host, ending) })
    })
    if (body === undefined || typeof body === 'string') request.end(body)
    else sendBody(request, body, fail)
  })
}

/** A server may answer before it has read the whole body, and close: its answer then counts, not the broken connection. */
function sendBody(request: ClientRequest, body: HttpBody, fail: (error: unknown) => void): void {
  const source = Readable.from(body.open(), { objectMode: false })
  source.on('error', (error) => {
    fail(error)
    request.destroy()
  })
  request.on('close', () => source.destroy())
  source.pipe(request)
}

async function* bodyOf(
  response: IncomingMessage,
  request: ClientRequest,
  host: string,
  ending: Ending,
): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of response) yield chunk as Buffer
  } catch (error) {
    throw ending.fault ?? httpFault(host, error)
  } finally {
    ending.release()
    if (!response.complete) request.destroy()
  }
}
