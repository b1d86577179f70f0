import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createManualClock } from '../../../test/support/manual-clock.ts'
import type { HttpResponse } from './exchange.ts'
import type { HttpSend } from './http-client.ts'
import { HttpFault } from './http-fault.ts'
import { createRetryingSend, retryAfterMs } from './http-retry.ts'

const slow = { url: new URL('https://slow.example/') }
const other = { url: new URL('https://other.example/') }

function answer(status: number, headers: HttpResponse['headers'] = {}): HttpResponse {
  return { status, headers, body: Buffer.alloc(0) }
}

/** Sends by `replies` (the last one repeats), counts, and keeps a clock that tests move. */
function setUp(
  replies: (HttpResponse | Error)[],
  options: {
    attempts?: number
    budget?: number
    deadlineMs?: number
    retryableFault?: (error: unknown) => boolean
  } = {},
) {
  const clock = createManualClock()
  const sent: string[] = []
  const transport: HttpSend = async ({ url }) => {
    sent.push(url.host)
    const reply = replies.length > 1 ? replies.shift() : replies[0]
    if (reply instanceof Error) throw reply
    return reply ?? answer(200)
  }
  return { clock, sent, send: createRetryingSend({ send: transport, clock, random: () => 0.5, ...options }) }
}

test('passing failures are tried again, others are answered at once', async () => {
  for (const passing of [
    answer(408),
    answer(500),
    answer(503),
    new HttpFault('connection', 'x', 'reset'),
    new HttpFault('timeout', 'x', 'late'),
  ]) {
    const { clock, send, sent } = setUp([passing, answer(200)])
    const sending = send(slow)
    await clock.advance(10_000)
    assert.equal((await sending).status, 200)
    assert.equal(sent.length, 2)
  }
  for (const final of [answer(200), answer(400), answer(401), answer(404), answer(501)]) {
    const { send, sent } = setUp([final])
    assert.equal(await send(slow), final)
    assert.equal(sent.length, 1)
  }
  for (const kind of ['dns', 'tls', 'too-large', 'aborted'] as const) {
    const { send, sent } = setUp([new HttpFault(kind, 'x', 'no')])
    await assert.rejects(send(slow), { code: kind })
    assert.equal(sent.length, 1)
  }
})

test('the caller decides which failures to connect may be tried again', async () => {
  const never = setUp([new HttpFault('timeout', 'x', 'late')], { retryableFault: () => false })
  await assert.rejects(never.send(slow), { code: 'timeout' })
  assert.equal(never.sent.length, 1)
})

test('attempts come to an end with the last answer', async () => {
  const { clock, send, sent } = setUp([answer(503)], { attempts: 3 })
  const sending = send(slow)
  await clock.advance(60_000)
  assert.equal((await sending).status, 503)
  assert.equal(sent.length, 3)
})

test('Retry-After holds back every request to that host and none to another', async () => {
  const { clock, send, sent } = setUp([answer(429, { 'retry-after': '7' }), answer(200)])
  const first = send(slow)
  await clock.advance(0)
  const second = send(slow)
  await send(other)
  assert.deepEqual(sent, ['slow.example', 'other.example'])
  await clock.advance(6999)
  assert.equal(sent.length, 2)
  await clock.advance(3000)
  assert.deepEqual([(await first).status, (await second).status], [200, 200])
})

test('a wait beyond the deadline is not begun', async () => {
  const { clock, send, sent } = setUp([answer(429, { 'retry-after': '59' }), answer(200)], { deadlineMs: 30_000 })
  assert.equal((await send(slow)).status, 429)
  await assert.rejects(send(slow), {
    code: 'throttled',
    retryAfterMs: 59_000,
    message: /slow.example asked for fewer requests, for another 59 s/,
  })
  assert.equal(sent.length, 1)
  await clock.advance(59_000)
  assert.equal((await send(slow)).status, 200)
})

test('a server that asks for hours is asked again by one request after a minute, and the others follow its success', async () => {
  const { clock, send, sent } = setUp([
    answer(429, { 'retry-after': '36000' }),
    answer(429, { 'retry-after': '36000' }),
    answer(200),
  ])
  assert.equal((await send(slow)).status, 429)
  await assert.rejects(send(slow), { code: 'throttled', retryAfterMs: 60_000 })
  await clock.advance(60_000)
  assert.equal((await send(slow)).status, 429)
  await clock.advance(60_000)
  const all = Promise.all([send(slow), send(slow), send(slow)])
  await clock.advance(0)
  assert.deepEqual(
    (await all).map(({ status }) => status),
    [200, 200, 200],
  )
  assert.equal(sent.length, 5)
})

test('while one request finds out whether a server may be asked again, no other is sent', async () => {
  const { promise, resolve } = Promise.withResolvers<HttpResponse>()
  const clock = createManualClock()
  const replies = [Promise.resolve(answer(429, { 'retry-after': '5' })), promise, Promise.resolve(answer(200))]
  let sent = 0
  const send = createRetryingSend({ send: () => replies[sent++] ?? Promise.resolve(answer(200)), clock, attempts: 1 })
  await send(slow)
  await clock.advance(5000)
  const all = [send(slow), send(slow)]
  await clock.advance(0)
  assert.equal(sent, 2)
  resolve(answer(200))
  await Promise.all(all)
  assert.equal(sent, 3)
})

test('requests with different keys are throttled apart', async () => {
  const { send, sent } = setUp([answer(429, { 'retry-after': '60' }), answer(200)], { attempts: 1 })
  await send({ ...slow, throttleKey: 'tenant client-a' })
  assert.equal((await send({ ...slow, throttleKey: 'tenant client-b' })).status, 200)
  assert.equal(sent.length, 2)
})

test('a wall clock that is set back does not lengthen a wait', async () => {
  const { clock, send } = setUp([answer(429, { 'retry-after': '1' }), answer(200)], { attempts: 1 })
  await send(slow)
  clock.stepWallClock(-8 * 3_600_000)
  await clock.advance(1000)
  assert.equal((await send(slow)).status, 200)
})

test('a host that only fails gets its retries from a budget', async () => {
  const { clock, send, sent } = setUp([answer(503)], { budget: 5, attempts: 4 })
  for (let i = 0; i < 10; i++) {
    const sending = send(slow)
    await clock.advance(60_000)
    await sending
  }
  assert.equal(sent.length, 10 + 5)
})

test('retryAfterMs() reads seconds, dates and the millisecond forms of Azure', () => {
  const now = Date.parse('2026-01-01T00:00:00Z')
  assert.equal(retryAfterMs(answer(429, { 'retry-after': '3' }), now), 3000)
  assert.equal(retryAfterMs(answer(429, { 'retry-after': 'Thu, 01 Jan 2026 00:00:05 GMT' }), now), 5000)
  assert.equal(retryAfterMs(answer(429, { 'retry-after': 'Wed, 31 Dec 2025 00:00:00 GMT' }), now), 0)
  assert.equal(retryAfterMs(answer(429, { 'retry-after-ms': '250', 'retry-after': '3' }), now), 250)
  assert.equal(retryAfterMs(answer(429, { 'x-ms-retry-after-ms': '10' }), now), 10)
  assert.equal(retryAfterMs(answer(429, { 'retry-after': 'soon' }), now), undefined)
  assert.equal(retryAfterMs(answer(429), now), undefined)
})
