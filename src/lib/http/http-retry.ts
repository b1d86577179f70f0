import { type Clock, sleep, systemClock } from '#lib'
import { createBackoff } from '#lib/async'
import type { HttpResponse } from './exchange.ts'
import type { HttpRequest, HttpSend } from './http-client.ts'
import { HttpFault } from './http-fault.ts'

export interface HttpRetryOptions {
  send: HttpSend
  /** Tries of one request, the first included. Default 4. */
  attempts?: number
  /** Longest time that one request may take with all its waits, in milliseconds. Default 60,000. */
  deadlineMs?: number
  /** Retries that a host has in stock; each success gives one back. A host that only fails gets no storm. Default 20. */
  budget?: number
  /** Whether an answer is worth another try. Default: 408, 429 and 5xx except 501 and 505. */
  retryable?: (response: HttpResponse) => boolean
  /** Whether no answer at all is worth another try. Default: a refused or broken connection, and a timeout. */
  retryableFault?: (error: unknown) => boolean
  clock?: Clock
  random?: () => number
  /** Called when a host answers 429 or 503, with the time that it asked for. */
  onThrottled?: (host: string, retryAfterMs: number) => void
}

interface Host {
  notBefore: number
  budget: number
}

/**
 * Sends with patience: transport failures and passing server errors are tried again with a growing, jittered delay.
 * `Retry-After` of one host holds back every request to that host, and to no other, so that a throttled server is left
 * alone by all callers at once. A wait that would pass the deadline is not begun: the caller gets `throttled` now.
 */
export function createRetryingSend(options: HttpRetryOptions): HttpSend {
  const { send, attempts = 4, deadlineMs = 60_000, budget = 20, clock = systemClock, random = Math.random } = options
  const { retryable = isPassing, retryableFault = isPassingFault } = options
  const hosts = new Map<string, Host>()

  function hostOf(name: string): Host {
    const known = hosts.get(name)
    if (known !== undefined) return known
    const host = { notBefore: 0, budget }
    hosts.set(name, host)
    return host
  }

  async function waitForTurn(host: Host, request: HttpRequest, deadline: number): Promise<void> {
    const wait = host.notBefore - clock.now()
    if (wait <= 0) return
    if (clock.now() + wait > deadline) {
      const { host: name } = request.url
      const text = `${name} asked to be left alone for another ${Math.ceil(wait / 1000)} s`
      throw new HttpFault('throttled', name, text, { retryAfterMs: wait })
    }
    // Spread over a quarter of the wait, or all who waited would come back in the same millisecond.
    await sleep(wait * (1 + 0.25 * random()), { clock, signal: request.signal })
  }

  return async (request) => {
    const host = hostOf(request.url.host)
    const deadline = clock.now() + deadlineMs
    const backoff = createBackoff({ initialMs: 400, maxMs: 8000, jitter: 0.5, random })
    for (let attempt = 1; ; attempt++) {
      await waitForTurn(host, request, deadline)
      const outcome = await send(request).catch((error: unknown) => error)
      const response = isResponse(outcome) ? outcome : undefined
      if (response !== undefined && !retryable(response)) {
        host.budget = Math.min(host.budget + 1, budget)
        if (host.budget === budget && host.notBefore <= clock.now()) hosts.delete(request.url.host)
        return response
      }
      const asked = response === undefined ? undefined : retryAfterMs(response, clock.now())
      if (asked !== undefined || response?.status === 429) {
        host.notBefore = Math.max(host.notBefore, clock.now() + (asked ?? 1000))
        options.onThrottled?.(request.url.host, asked ?? 1000)
      }
      const delay = asked === undefined ? backoff.next() : 0
      const giveUp =
        attempt >= attempts ||
        host.budget <= 0 ||
        clock.now() + Math.max(delay, host.notBefore - clock.now()) > deadline ||
        (response === undefined && !retryableFault(outcome))
      if (giveUp) {
        if (response !== undefined) return response
        throw outcome
      }
      host.budget--
      await sleep(delay, { clock, signal: request.signal })
    }
  }
}

function isResponse(outcome: unknown): outcome is HttpResponse {
  return typeof outcome === 'object' && outcome !== null && 'status' in outcome && 'body' in outcome
}

/** Statuses that a server sends when the same request may well succeed a little later. */
export function isPassing({ status }: HttpResponse): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501 && status !== 505)
}

/** A name that does not resolve, a certificate that is not trusted and a caller who left do not get better by asking again. */
function isPassingFault(error: unknown): boolean {
  return error instanceof HttpFault && ['refused', 'timeout', 'connection'].includes(error.code)
}

/** What `Retry-After` (or Azure's millisecond forms) asks for, in milliseconds. https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3 */
export function retryAfterMs({ headers }: HttpResponse, now: number): number | undefined {
  for (const name of ['retry-after-ms', 'x-ms-retry-after-ms']) {
    const ms = Number(headers[name])
    if (headers[name] !== undefined && Number.isFinite(ms)) return Math.max(ms, 0)
  }
  const text = headers['retry-after']
  if (text === undefined) return undefined
  const seconds = Number(text)
  if (Number.isFinite(seconds)) return Math.max(seconds * 1000, 0)
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(date - now, 0)
}
