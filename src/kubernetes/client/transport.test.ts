import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import type { Clock } from '#lib'
import { loopbackPort } from '../../../test/support/loopback-port.ts'
import { createManualClock } from '../../../test/support/manual-clock.ts'
import { createKubeClient, type KubeClient, type KubeClientOptions } from './kube-client.ts'
import { KubeError } from './kube-error.ts'
import type { Pod } from './objects.ts'
import { resources } from './resources.ts'

/** Long enough for loopback, short enough to wait for. */
const brief = 100

/** An API server in a few lines, and a client for it. */
async function serve(t: TestContext, listener: RequestListener, options: KubeClientOptions = {}) {
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    listener(request, response)
  })
  const port = await loopbackPort(t, server)
  const kube = createKubeClient({ server: `http://127.0.0.1:${port}`, namespace: 'default' }, options)
  t.after(() => kube.close())
  return { kube, requests }
}

const pod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'app', namespace: 'team' },
  spec: { containers: [] },
}
const ref = { name: 'app', namespace: 'team' }

/** Every call of the client, with what limits it. */
const calls: Record<
  string,
  (kube: KubeClient, options: { signal?: AbortSignal; timeoutMs?: number }) => Promise<unknown>
> = {
  get: (kube, options) => kube.get(resources.pods, ref, options),
  list: (kube, options) => kube.list(resources.pods, options),
  create: (kube, options) => kube.create(resources.pods, pod, options),
  replace: (kube, options) => kube.replace(resources.pods, pod, options),
  patch: (kube, options) => kube.patch(resources.pods, ref, {}, options),
  apply: (kube, options) => kube.apply(resources.pods, pod, { fieldManager: 'test', ...options }),
  delete: (kube, options) => kube.delete(resources.pods, ref, options),
  createToken: (kube, options) => kube.createToken(ref, { audiences: [] }, options),
  raw: (kube, options) => kube.raw({ method: 'GET', path: '/version', ...options }),
  watch: (kube, options) => kube.watch(resources.pods, { resourceVersion: '1', ...options }).next(),
}

/** What a server may do and then fall silent. */
const stalls: Record<string, (response: ServerResponse) => void> = {
  'before the head': () => undefined,
  'in the body': (response) => void response.writeHead(200, { 'content-type': 'application/json' }).write('{"it'),
  'in the body of a refusal': (response) => void response.writeHead(500).write('{"kind":"Status","mess'),
}

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

const refusal = (code: number, message: string) => ({
  kind: 'Status',
  status: 'Failure',
  code,
  message,
  reason: 'Busy',
})

/** Time that passes as fast as the client waits for it. */
function fastClock(): Clock & { waits: number[] } {
  const waits: number[] = []
  let elapsed = 0
  return {
    waits,
    now: () => elapsed,
    elapsed: () => elapsed,
    after(ms, run) {
      waits.push(ms)
      const timer = setImmediate(() => {
        elapsed += ms
        run()
      })
      return () => clearImmediate(timer)
    },
  }
}

test('createKubeClient() names the server whose certificate authority cannot be used', () => {
  assert.throws(
    () =>
      createKubeClient({
        server: 'https://cluster.example.com:6443',
        namespace: 'default',
        ca: 'not PEM',
        cert: 'nor this',
        key: 'nor this',
      }),
    /https:\/\/cluster\.example\.com:6443: the certificate authority, client certificate or key cannot be used: /,
  )
})

test('every call ends within its time, in whatever phase the server stalls', async (t) => {
  for (const [phase, stall] of Object.entries(stalls)) {
    const { kube } = await serve(t, (_, response) => stall(response))
    for (const [verb, call] of Object.entries(calls)) {
      // A watch that has begun lasts as long as it was asked to.
      if (verb === 'watch' && phase === 'in the body') continue
      const error = await call(kube, { timeoutMs: brief }).catch((reason: unknown) => reason)
      assert.ok(error instanceof KubeError, `${verb} ${phase}`)
      assert.deepEqual([error.status, error.retryable], [0, true], `${verb} ${phase}`)
      assert.match(error.message, /no complete answer from 127\.0\.0\.1:\d+ within 0\.\d+ s/)
    }
  }
})

test('every call ends with the reason of its signal', async (t) => {
  const { kube } = await serve(t, (_, response) => stalls['in the body']?.(response))
  const reason = new Error('the caller left')
  for (const [verb, call] of Object.entries(calls)) {
    const abort = new AbortController()
    const pending = call(kube, { signal: abort.signal })
    setTimeout(() => abort.abort(reason), brief / 5)
    await assert.rejects(pending, (error) => error === reason, verb)
    await assert.rejects(call(kube, { signal: abort.signal }), (error) => error === reason, verb)
  }
})

test('429 and 503 with Retry-After are sent again, whatever the call', async (t) => {
  for (const status of [429, 503]) {
    for (const [verb, call] of Object.entries(calls)) {
      const clock = fastClock()
      let turnedAway = 0
      const answer = verb === 'watch' ? { type: 'BOOKMARK', object: pod } : { ...pod, status: { token: 't' } }
      const listener = (_: IncomingMessage, response: ServerResponse) => {
        if (turnedAway++ < 3) return json(response, status, refusal(status, 'later'), { 'retry-after': '1' })
        response.end(`${JSON.stringify(answer)}\n`)
      }
      const { kube, requests } = await serve(t, listener, { clock, random: () => 0 })
      await call(kube, {})
      assert.deepEqual([requests.length, clock.waits], [4, [1000, 1000, 1000]], `${verb} ${status}`)
    }
  }
})

test('a server that keeps turning a call away is asked four times, and its own reason is reported', async (t) => {
  const clock = fastClock()
  const headers = { 'retry-after': '1' }
  const { kube, requests } = await serve(
    t,
    (_, response) => json(response, 429, refusal(429, 'too many requests'), headers),
    { clock },
  )
  await assert.rejects(kube.get(resources.pods, ref), {
    name: 'KubeError',
    status: 429,
    reason: 'Busy',
    retryAfterSeconds: 1,
    message: 'GET /api/v1/namespaces/team/pods/app: too many requests',
  })
  assert.equal(requests.length, 4)
})

test('a pause that is too long, or was not asked for, is not made', async (t) => {
  const cases: [status: number, headers: Record<string, string>, details: object, options: object][] = [
    [429, {}, {}, {}],
    [503, {}, {}, {}],
    [500, { 'retry-after': '1' }, {}, {}],
    [429, { 'retry-after': '11' }, {}, {}],
    [429, { 'retry-after': 'soon' }, {}, {}],
    [429, {}, { details: { retryAfterSeconds: 11 } }, {}],
    // Not when the call has no time left for it.
    [429, { 'retry-after': '2' }, {}, { timeoutMs: 1500 }],
  ]
  for (const [status, headers, details, options] of cases) {
    const clock = fastClock()
    const listener = (_: IncomingMessage, response: ServerResponse) =>
      json(response, status, { ...refusal(status, 'no'), ...details }, headers)
    const { kube, requests } = await serve(t, listener, { clock })
    await assert.rejects(kube.get(resources.pods, ref, options), { status })
    assert.deepEqual([requests.length, clock.waits], [1, []])
  }
})

test('an abort ends the pause before another try', async (t) => {
  const abort = new AbortController()
  const { kube, requests } = await serve(t, (_, response) => {
    json(response, 429, refusal(429, 'later'), { 'retry-after': '9' })
    setImmediate(() => abort.abort(new Error('the caller left')))
  })
  await assert.rejects(kube.get(resources.pods, ref, { signal: abort.signal }), /the caller left/)
  assert.equal(requests.length, 1)
})

test('the answer of something that is not an API server is reported as it is, shortened', async (t) => {
  const { kube } = await serve(t, (_, response) => void response.writeHead(502).end(`<html>${'x'.repeat(1000)}`))
  const error = await kube.get(resources.pods, ref).catch((reason: unknown) => reason as KubeError)
  assert.ok(error instanceof KubeError)
  assert.match(error.message, /^GET \/api\/v1\/namespaces\/team\/pods\/app: HTTP 502 <html>x+$/)
  assert.ok(error.message.length < 300)
})

test('an answer that is not JSON is an error that does not quote it', async (t) => {
  const { kube } = await serve(t, (_, response) => void response.end('{"data": planted'))
  await assert.rejects(kube.get(resources.secrets, ref), {
    code: 'json-invalid',
    message:
      'the answer to GET /api/v1/namespaces/team/secrets/app is not valid JSON: line 1, column 10: found a letter, expected a value',
  })
})

const page = (names: string[], next?: string) => ({
  items: names.map((name) => ({ metadata: { name } })),
  metadata: { resourceVersion: '7', continue: next },
})

test('list() reads all pages', async (t) => {
  const { kube, requests } = await serve(t, ({ url = '' }, response) =>
    json(response, 200, url.includes('continue=two') ? page(['c']) : page(['a', 'b'], 'two')),
  )
  const { items, resourceVersion } = await kube.list(resources.pods, { namespace: 'team' })
  assert.deepEqual(
    [items.map(({ kind, metadata }) => `${kind} ${metadata.name}`), resourceVersion],
    [['Pod a', 'Pod b', 'Pod c'], '7'],
  )
  assert.deepEqual(requests, [
    'GET /api/v1/namespaces/team/pods?limit=500',
    'GET /api/v1/namespaces/team/pods?limit=500&continue=two',
  ])
})

test('list() takes what is picked of each object before it reads the next page', async (t) => {
  const picked: string[] = []
  const { kube } = await serve(t, ({ url = '' }, response) => {
    const isSecond = url.includes('continue=two')
    if (isSecond) assert.deepEqual(picked, ['a', 'b'])
    json(response, 200, isSecond ? page(['c']) : page(['a', 'b'], 'two'))
  })
  const pick = ({ metadata: { name = '' } }: { metadata: { name?: string } }) => {
    picked.push(name)
    return name.toUpperCase()
  }
  assert.deepEqual((await kube.list(resources.pods, { pick })).items, ['A', 'B', 'C'])
})

test('list() asks for a page that is too large in smaller parts, so that large objects cannot hide the others', async (t) => {
  const large = Buffer.alloc(17 * 1024 * 1024, ' ')
  const { kube, requests } = await serve(t, ({ url = '' }, response) => {
    if (Number(/limit=(\d+)/.exec(url)?.[1]) > 10) response.end(large)
    else json(response, 200, page(['a']))
  })
  assert.equal((await kube.list(resources.pods)).items.length, 1)
  assert.deepEqual(
    requests.map((line) => /limit=(\d+)/.exec(line)?.[1]),
    ['500', '63', '8'],
  )
})

test('list() ends although the server always has another page', async (t) => {
  const { kube, requests } = await serve(t, (_, response) => json(response, 200, page([], 'more')))
  await assert.rejects(kube.list(resources.pods), /the list did not end within 1000 pages/)
  assert.equal(requests.length, 1000)
})

async function eventsOf(kube: KubeClient, options: object = {}): Promise<string[]> {
  const seen: string[] = []
  for await (const event of kube.watch(resources.pods, { resourceVersion: '1', ...options })) {
    seen.push(`${event.type} ${event.type === 'ERROR' ? event.object.code : event.object.metadata.name}`)
  }
  return seen
}

test('watch() reads events however they are cut, and drops one that was cut off', async (t) => {
  const text = `${JSON.stringify({ type: 'ADDED', object: pod })}\n\n${JSON.stringify({ type: 'ERROR', object: { code: 410 } })}\n{"type":"ADD`
  const { kube } = await serve(t, async (_, response) => {
    for (const byte of Buffer.from(text)) {
      response.write(Buffer.of(byte))
      await new Promise((resolve) => setImmediate(resolve))
    }
    response.end()
  })
  assert.deepEqual(await eventsOf(kube), ['ADDED app', 'ERROR 410'])
})

test('watch() ends by itself when the server does not end it', async (t) => {
  const { kube } = await serve(t, (_, response) => void response.write('\n'), { watchGraceMs: brief })
  await assert.rejects(eventsOf(kube, { timeoutSeconds: 0 }), /no complete answer from 127\.0\.0\.1:\d+ within 0\.1 s/)
})

test('watch() refuses what is not an event, and a line without an end', async (t) => {
  for (const line of ['{"type":"NEWS","object":{"metadata":{}}}\n', '{"type":"ADDED","object":{}}\n', '[]\n']) {
    const { kube } = await serve(t, (_, response) => void response.end(line))
    await assert.rejects(eventsOf(kube), /an event of the watch on pods is not a watch event/)
  }
  const { kube } = await serve(t, (_, response) => void response.end(Buffer.alloc(17 * 1024 * 1024, ' ')))
  await assert.rejects(eventsOf(kube), /an event of the watch on pods is larger than 16777216 bytes/)
})

test("clockOffsetMs() gives the server's clock minus ours, also when ours was set since the last answer", async (t) => {
  const clock = createManualClock(0)
  const date = new Date(90_000).toUTCString()
  const { kube } = await serve(t, (_, response) => json(response, 200, pod, { date }), { clock })
  assert.equal(kube.clockOffsetMs(), undefined)
  await kube.get(resources.pods, ref)
  assert.equal(kube.clockOffsetMs(), 90_000)
  await clock.advance(5000)
  assert.equal(kube.clockOffsetMs(), 90_000)
  clock.stepWallClock(3_600_000)
  assert.equal(kube.clockOffsetMs(), 90_000 - 3_600_000)
})
