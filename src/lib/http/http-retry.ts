import { type Clock, sleep, systemClock } from '#lib'
import { createBackoff, endsWithin } from '#lib/async'
import type { HttpResponse } from './exchange.ts'
import type { HttpRequest, HttpSend } from './http-client.ts'
import { HttpFault } from './http-fault.ts'

export interface HttpRetryOptions {
  send: HttpSend
  /** Tries of one request, the first included. Default 4. */
  attempts?: number | undefined
  /** Longest time that one request may take with all its waits, in milliseconds. Default 60,000. */
  deadlineMs?: number | undefined
  /** Retries that a peer has in stock; each success gives one back. A host that only fails gets no storm. Default 20. */
  budget?: number | undefined
  /** Whether an answer is worth another try. Default: 408, 429 and 5xx except 501 and 505. */
  retryable?: ((response: HttpResponse) => boolean) | undefined
  /** Whether no answer at all is worth another try. Default: a refused or broken connection, and a timeout. */
  retryableFault?: ((error: unknown) => boolean) | undefined
  clock?: Clock | undefined
  random?: (() => number) | undefined
  /** Called when a host answers 429 or 503, with the time that it asked for. */
  onThrottled?: ((host: string, retryAfterMs: number, answer: ThrottledAnswer) => void) | undefined
}

export interface ThrottledAnswer {
  status: number
  /** Of the request. */
  throttleKey: string | undefined
}

/** Longest wait that a server's `Retry-After` leads to; then one request finds out whether it is over. */
const maxWaitMs = 60_000
/** Peers that are remembered; the oldest is forgotten first. */
const maxPeers = 10_000

/** A host, or one caller of it where requests have a `throttleKey`. */
interface Peer {
  /** On the monotonic clock. */
  notBefore: number
  budget: number
  isThrottled: boolean
  /** Resolves with the one request that is sent after a wait. */
  probe: Promise<void> | undefined
}

interface Retries {
  send: HttpSend
  attempts: number
  deadlineMs: number
  budget: number
  random: () => number
  retryable: (response: HttpResponse) => boolean
  retryableFault: (error: unknown) => boolean
  onThrottled: NonNullable<HttpRetryOptions['onThrottled']>
  clock: Clock
  peers: Map<string, Peer>
}

/**
 * Sends with patience: transport failures and passing server errors are tried again with a growing, jittered delay.
 * `Retry-After` of one host holds back every request to that host with the same `throttleKey`, and no other, so that a
 * throttled server hears from none of them. The wait is at most a minute; after it one request is sent, and the others follow
 * when it succeeds. A wait for more than half of the deadline is not begun: the caller gets `throttled` now.
 */
export function createRetryingSend(options: HttpRetryOptions): HttpSend {
  const retries: Retries = {
    send: options.send,
    attempts: options.attempts ?? 4,
    deadlineMs: options.deadlineMs ?? 60_000,
    budget: options.budget ?? 20,
    random: options.random ?? Math.random,
    retryable: options.retryable ?? isPassing,
    retryableFault: options.retryableFault ?? isPassingFault,
    onThrottled: options.onThrottled ?? (() => {}),
    clock: options.clock ?? systemClock,
    peers: new Map(),
  }
  return (request) => sendPatiently(retries, request)
}

async function sendPatiently(retries: Retries, request: HttpRequest): Promise<HttpResponse> {
  const { attempts, clock, random, retryable, retryableFault } = retries
  const key = `${request.url.host} ${request.throttleKey ?? ''}`
  const peer = peerOf(retries, key)
  const deadline = clock.elapsed() + retries.deadlineMs
  const backoff = createBackoff({ initialMs: 400, maxMs: 8000, jitter: 0.5, random })
  for (let attempt = 1; ; attempt++) {
    const endTurn = await waitForTurn(retries, peer, request, deadline)
    const outcome = await retries.send(request).catch((error: unknown) => error)
    const response = isResponse(outcome) ? outcome : undefined
    if (response !== undefined && !retryable(response)) {
      finishWait(retries, key, peer)
      endTurn()
      return response
    }
    const asked = noteThrottling(retries, peer, request, response)
    endTurn()
    const delay = asked === undefined ? backoff.next() : 0
    const wait = Math.max(delay, peer.notBefore - clock.elapsed())
    const isLast = attempt >= attempts || peer.budget <= 0 || isTooLong(retries, wait, deadline)
    if (isLast || (response === undefined && !retryableFault(outcome))) {
      if (response !== undefined) return response
      throw outcome
    }
    peer.budget--
    await sleep(delay, { clock, signal: request.signal })
  }
}

function peerOf({ peers, budget }: Retries, key: string): Peer {
  const found = peers.get(key)
  if (found !== undefined) return found
  const peer: Peer = { notBefore: 0, budget, isThrottled: false, probe: undefined }
  peers.set(key, peer)
  for (const oldest of peers.keys()) {
    if (peers.size <= maxPeers) break
    peers.delete(oldest)
  }
  return peer
}

/** Waits while the peer is throttled. The returned function is called when the request has been answered. */
async function waitForTurn(retries: Retries, peer: Peer, request: HttpRequest, deadline: number): Promise<() => void> {
  const { clock, random } = retries
  for (;;) {
    const wait = peer.notBefore - clock.elapsed()
    if (wait > 0) {
      if (isTooLong(retries, wait, deadline)) throw throttled(request, wait)
      // Spread over a quarter of the wait, or all who waited would come back in the same millisecond.
      await sleep(wait * (1 + 0.25 * random()), { clock, signal: request.signal })
    } else if (!peer.isThrottled) return () => {}
    else if (peer.probe === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>()
      peer.probe = promise
      return () => {
        peer.probe = undefined
        resolve()
      }
    } else await untilProbed(retries, peer.probe, request, deadline)
  }
}

/** A caller that waited for most of its time could not do anything with what is left. */
function isTooLong({ clock, deadlineMs }: Retries, wait: number, deadline: number): boolean {
  return wait > deadlineMs / 2 || clock.elapsed() + wait >= deadline
}

async function untilProbed(
  { clock }: Retries,
  probe: Promise<void>,
  request: HttpRequest,
  deadline: number,
): Promise<void> {
  const rest = Math.max(0, deadline - clock.elapsed())
  if (await endsWithin(probe, rest, { clock, signal: request.signal })) return
  request.signal?.throwIfAborted()
  throw throttled(request, 0)
}

function throttled({ url }: HttpRequest, wait: number): HttpFault {
  const text = `${url.host} asked for fewer requests, for another ${Math.ceil(wait / 1000)} s`
  return new HttpFault('throttled', url.host, text, { retryAfterMs: wait })
}

/** After an answer that is not worth another try. */
function finishWait({ peers, budget }: Retries, key: string, peer: Peer): void {
  peer.budget = Math.min(peer.budget + 1, budget)
  peer.isThrottled = false
  if (peer.budget === budget && peers.get(key) === peer) peers.delete(key)
}

/** How long the server asked to wait; undefined when it did not. */
function noteThrottling(
  { clock, onThrottled }: Retries,
  peer: Peer,
  { url, throttleKey }: HttpRequest,
  response: HttpResponse | undefined,
): number | undefined {
  const asked = response === undefined ? undefined : retryAfterMs(response, clock.now())
  if (asked === undefined && response?.status !== 429) return undefined
  peer.isThrottled = true
  peer.notBefore = Math.max(peer.notBefore, clock.elapsed() + Math.min(asked ?? 1000, maxWaitMs))
  onThrottled(url.host, asked ?? 1000, { status: response?.status ?? 0, throttleKey })
  return asked
}

function isResponse(outcome: unknown): outcome is HttpResponse {
  return typeof outcome === 'object' && outcome !== null && 'status' in outcome && 'body' in outcome
}

/** Statuses that a server sends when the same request may well succeed a little later. */
export function isPassing({ status }: Pick<HttpResponse, 'status'>): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501 && status !== 505)
}

/** A name that does not resolve, a certificate that is not trusted and an aborted call fail the same way again. */
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
