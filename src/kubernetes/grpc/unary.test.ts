import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { createLog, ProblemsError } from '#lib'
import { eventually } from '../../../test/support/eventually.ts'
import { startHealthServer } from '../../../test/support/health-server.ts'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { HealthClient, type HealthServer, HealthService } from './generated/health.ts'
import { type GrpcServerOptions, startGrpcServer } from './grpc-server.ts'
import { checkHealth } from './health.ts'
import { Code, codeName, RpcError } from './rpc-error.ts'
import { type AnsweredCall, createUnary, type RpcContext, type UnaryOptions } from './unary.ts'

type Check = HealthServer['check']
type Run = (request: { service: string }, context: RpcContext) => Promise<{ status: 1 }> | { status: 1 }

const serving: { status: 1 } = { status: 1 }

/** A server whose one method does what the test gives it. */
async function serve(
  t: TestContext,
  run: Run,
  { unary = {}, server = {} }: { unary?: Partial<UnaryOptions>; server?: Partial<GrpcServerOptions> } = {},
) {
  const path = join(temporaryDirectory(t), 'test.sock')
  const lines: string[] = []
  const calls: AnsweredCall[] = []
  const log = createLog({ name: 'test', level: 'debug', stream: { write: (line) => lines.push(line) } })
  const check = createUnary({ log, onAnswer: (call) => calls.push(call), ...unary })('Check', run) as Check
  const running = await startGrpcServer({ kind: 'unix', path }, (grpc) => grpc.addService(HealthService, { check }), {
    log,
    ...server,
  })
  t.after(() => running.stop())
  const client = new HealthClient(`unix:${path}`, credentials.createInsecure(), {
    'grpc.default_authority': 'localhost',
  })
  t.after(() => client.close())
  const call = (service = '', timeoutMs = 10_000) => {
    let cancel = () => {}
    const answer = new Promise<number>((resolve, reject) => {
      const running = client.check(
        { service },
        new Metadata(),
        { deadline: Date.now() + timeoutMs },
        (error, response) => (error === null ? resolve(response.status) : reject(error)),
      )
      cancel = () => running.cancel()
    })
    return Object.assign(answer, { cancel: () => cancel() })
  }
  return { path, running, lines, calls, call }
}

const never = (onSignal: (signal: AbortSignal) => void): Run => {
  return (_, { signal }) =>
    new Promise((_, reject) => {
      onSignal(signal)
      signal.addEventListener('abort', () => reject(signal.reason))
    })
}

test('a call is answered, logged and counted once, and its request is not logged', async (t) => {
  const { call, calls, lines } = await serve(t, () => serving)
  assert.equal(await call('planted-token'), 1)
  assert.deepEqual(
    calls.map(({ method, code, errorCode }) => ({ method, code, errorCode })),
    [{ method: 'Check', code: Code.OK, errorCode: '' }],
  )
  assert.equal(lines.length, 1)
  assert.equal(JSON.parse(lines[0] ?? '').rpc, 'Check')
  assert.equal(lines.join('').includes('planted-token'), false)
})

test('what was thrown becomes a status: bad input is InvalidArgument, an RpcError has its own code, the rest is Internal', async (t) => {
  const errors: Record<string, unknown> = {
    input: new ProblemsError('the request', [{ path: 'a', message: 'missing' }]),
    coded: new RpcError(Code.NOT_FOUND, 'not here'),
    unexpected: new TypeError('oops'),
    nothing: undefined,
  }
  const { call, calls } = await serve(t, ({ service }) => {
    throw errors[service]
  })
  await assert.rejects(call('input'), { code: Code.INVALID_ARGUMENT, details: 'the request: a: missing' })
  await assert.rejects(call('coded'), { code: Code.NOT_FOUND, details: 'not here' })
  await assert.rejects(call('unexpected'), { code: Code.INTERNAL, details: 'oops' })
  await assert.rejects(call('nothing'), { code: Code.INTERNAL, details: 'undefined' })
  assert.deepEqual(
    calls.map(({ code }) => codeName(code)),
    ['InvalidArgument', 'NotFound', 'Internal', 'Internal'],
  )
})

test('a server may have statuses of its own, and chooses which fields of a request its log lines have', async (t) => {
  const { call, calls, lines } = await serve(
    t,
    () => {
      throw new Error('denied')
    },
    {
      unary: {
        statusOf: () => ({ code: Code.PERMISSION_DENIED, details: 'no', errorCode: 'access-denied' }),
        describe: (request) => ({ class: String((request as { service: string }).service) }),
      },
    },
  )
  await assert.rejects(call('orders'), { code: Code.PERMISSION_DENIED, details: 'no' })
  assert.equal(calls[0]?.errorCode, 'access-denied')
  const line = JSON.parse(lines[0] ?? '')
  assert.deepEqual([line.class, line.code, line.errorCode], ['orders', 'PermissionDenied', 'access-denied'])
})

test('the signal aborts when the caller leaves', async (t) => {
  const signals: AbortSignal[] = []
  const { call } = await serve(
    t,
    never((signal) => signals.push(signal)),
  )
  const running = call()
  await eventually(() => assert.equal(signals.length, 1))
  running.cancel()
  await assert.rejects(running, { code: Code.CANCELLED })
  await eventually(() => assert.equal((signals[0]?.reason as RpcError | undefined)?.code, Code.CANCELLED))
})

test("the signal aborts at the caller's deadline", async (t) => {
  const signals: AbortSignal[] = []
  const { call } = await serve(
    t,
    never((signal) => signals.push(signal)),
  )
  // On a busy machine the deadline of a call may pass before the server has it.
  for (let ms = 30; signals.length === 0; ms *= 2) await assert.rejects(call('', ms), { code: Code.DEADLINE_EXCEEDED })
  // The caller gives up at its deadline too, and the server may hear of that first.
  await eventually(() =>
    assert.match(String(signals[0]?.reason), /no result within the caller's deadline|the caller left/),
  )
})

test("the signal aborts at the server's own time limit, and the caller gets that error", async (t) => {
  const { call } = await serve(
    t,
    never(() => {}),
    { unary: { timeLimitMs: 20 } },
  )
  await assert.rejects(call(), { code: Code.DEADLINE_EXCEEDED, details: 'no result within 0.02 s' })
})

test('an error message is shortened to what a header carries, without half a character at its end', async (t) => {
  const { call } = await serve(t, ({ service }) => {
    throw new RpcError(Code.UNKNOWN, service === 'lone' ? 'a\ud800b' : '€'.repeat(5998) + '😀'.repeat(10))
  })
  const details = async (service: string) => {
    try {
      await call(service)
    } catch (error) {
      return (error as ServiceError).details
    }
    throw new Error('the call succeeded')
  }
  const long = await details('long')
  assert.ok(long.length <= 6000 && long.endsWith('…') && long.isWellFormed(), `${long.length}`)
  assert.equal(await details('lone'), 'a\ufffdb')
})

test('requests and responses beyond the limits of the server are refused', async (t) => {
  let ran = 0
  const { call } = await serve(
    t,
    () => {
      ran++
      return serving
    },
    { server: { maxRequestBytes: 1000, maxResponseBytes: 1 } },
  )
  await assert.rejects(call('x'.repeat(2000)), { code: Code.RESOURCE_EXHAUSTED })
  assert.equal(ran, 0)
  await assert.rejects(call(), { code: Code.RESOURCE_EXHAUSTED })
  assert.equal(ran, 1)
})

test('stop() waits for a call in progress, accepts none after it, and ends what takes too long', async (t) => {
  const gate = Promise.withResolvers<void>()
  let begun = 0
  const { call, running } = await serve(
    t,
    async ({ service }) => {
      begun++
      await (service === 'hangs' ? new Promise(() => {}) : gate.promise)
      return serving
    },
    { server: { drainMs: 100 } },
  )
  const [finishes, hangs] = [call(), call('hangs')]
  await eventually(() => assert.equal(begun, 2))
  const stopped = Promise.all([running.stop(), running.stop()])
  gate.resolve()
  assert.equal(await finishes, 1)
  await assert.rejects(hangs, { code: Code.CANCELLED })
  await stopped
  await assert.rejects(call('', 500))
})

test('health answers whether the server serves, over a new connection each time', async (t) => {
  const path = join(temporaryDirectory(t), 'health.sock')
  let healthy = true
  const running = await startHealthServer(t, path, { isHealthy: () => healthy })
  assert.equal(await checkHealth(`unix:${path}`, { timeoutMs: 5000 }), 1)
  healthy = false
  assert.equal(await checkHealth(`unix:${path}`, { timeoutMs: 5000 }), 2)
  await running.stop()
  await assert.rejects(checkHealth(`unix:${path}`, { timeoutMs: 5000 }), { code: Code.UNAVAILABLE })
})
