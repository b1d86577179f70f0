import { type Clock, sleep } from '#lib'
import { parseJson } from '#lib/formats'
import { type HttpRequest, type HttpResponse, retryAfterMs } from '#lib/http'
import { AzureRestError } from './azure-error.ts'

export interface LongOperationOptions {
  /** The request in words, for errors. */
  what: string
  method: NonNullable<HttpRequest['method']>
  /** What was asked for. */
  url: URL
  /** One GET; rejects when the answer is not a success. */
  ask: (link: string) => Promise<HttpResponse>
  clock: Clock
  timeoutMs: number
  signal?: AbortSignal | undefined
}

/** Between two requests, without a Retry-After. */
const pollMs = 5000

interface OperationStatus {
  status?: string
  error?: { code?: string; message?: string }
}

/**
 * Waits for the end of an operation that Azure continues after its answer, and gives the final answer. Throws {@link AzureRestError}
 * when the operation fails, is cancelled, or takes too long.
 * https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
 */
export async function awaitOperation(answer: HttpResponse, options: LongOperationOptions): Promise<HttpResponse> {
  const statusLink = headerOf(answer, 'azure-asyncoperation')
  const location = headerOf(answer, 'location')
  if (statusLink !== undefined) {
    await untilSucceeded(statusLink, answer, options)
    if (options.method === 'DELETE') return answer
    if (options.method === 'POST') return location === undefined ? answer : options.ask(location)
    return options.ask(options.url.href)
  }
  return answer.status === 202 && location !== undefined ? untilDone(location, answer, options) : answer
}

/** `Azure-AsyncOperation`: an object with the status of the operation. */
async function untilSucceeded(link: string, answer: HttpResponse, options: LongOperationOptions): Promise<void> {
  const { what, ask, clock, timeoutMs } = options
  const deadline = clock.elapsed() + timeoutMs
  for (let last = answer; ; ) {
    await pause(last, deadline, options)
    last = await ask(link)
    const { status = '', error } = parseJson('the answer of Azure', last.body) as OperationStatus
    if (status === 'Succeeded') return
    // Every other word, and there are many, means that it goes on.
    if (status === 'Failed' || status === 'Canceled') {
      const { code = status, message = `the operation ended as ${status}` } = error ?? {}
      throw new AzureRestError(what, { status: last.status, code, text: message })
    }
  }
}

/** `Location` alone: 202 until it is done. */
async function untilDone(location: string, answer: HttpResponse, options: LongOperationOptions): Promise<HttpResponse> {
  const deadline = options.clock.elapsed() + options.timeoutMs
  for (let last = answer, link = location; ; link = headerOf(last, 'location') ?? link) {
    await pause(last, deadline, options)
    last = await options.ask(link)
    if (last.status !== 202) return last
  }
}

async function pause(
  last: HttpResponse,
  deadline: number,
  { what, clock, timeoutMs, signal }: LongOperationOptions,
): Promise<void> {
  const wait = retryAfterMs(last, clock.now()) ?? pollMs
  if (clock.elapsed() + wait > deadline) {
    const text = `Azure is not done with it after ${timeoutMs / 1000} s`
    throw new AzureRestError(what, { status: last.status, code: 'OperationTimedOut', text })
  }
  await sleep(wait, { clock, signal })
}

function headerOf({ headers }: HttpResponse, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' ? value : undefined
}
