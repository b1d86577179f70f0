import assert from 'node:assert/strict'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { clientOf, faultOf } from '../../../test/support/http-client-of.ts'
import type { HttpStream } from './exchange.ts'

/** Long enough for loopback, short enough to wait for. */
const brief = 100

async function listen(t: TestContext, server: Server): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => void sockets.add(socket.on('error', () => undefined)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A server that writes these bytes to every client, one piece per tick, and keeps the connection open. */
function stallAfter(t: TestContext, pieces: readonly string[]): Promise<string> {
  return listen(
    t,
    createServer((socket) => socket.once('data', () => pieces.forEach((piece) => void socket.write(piece)))),
  )
}

function serve(t: TestContext, listener: RequestListener): Promise<string> {
  return listen(t, createHttpServer(listener))
}

function client(t: TestContext) {
  return clientOf(t, { timeoutMs: brief })
}

/** For calls that end by something else than their deadline. */
function patientClient(t: TestContext) {
  return clientOf(t, { timeoutMs: 60_000 })
}

async function readText({ body }: HttpStream): Promise<string> {
  let text = ''
  for await (const chunk of body) text += chunk
  return text
}

test('one deadline covers a server that stalls before, in or after the head of its answer', async (t) => {
  const { send } = client(t)
  const phases: Record<string, readonly string[]> = {
    'before the head': [],
    'in the head': ['HTTP/1.1 200 OK\r\ncontent-type: te'],
    'before the body': ['HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n'],
    'in the body': ['HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab'],
    'between chunks': ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n'],
  }
  for (const [phase, pieces] of Object.entries(phases)) {
    const host = await stallAfter(t, pieces)
    assert.equal(await faultOf(send({ url: new URL(`http://${host}/`) })), 'timeout', phase)
  }
  // Nor does a TCP server that never speaks TLS.
  const host = await stallAfter(t, [])
  assert.equal(await faultOf(send({ url: new URL(`https://${host}/`) })), 'timeout')
})

test('a server that sends a byte now and then does not outlive the deadline', async (t) => {
  const host = await serve(t, (_, response) => {
    const timer = setInterval(() => response.write('x'), brief / 10)
    response.on('close', () => clearInterval(timer))
  })
  assert.equal(await faultOf(client(t).send({ url: new URL(`http://${host}/`) })), 'timeout')
})

test('a request that waits for a free connection is under its deadline too', async (t) => {
  const host = await stallAfter(t, [])
  const one = clientOf(t, { timeoutMs: 60_000, maxSockets: 1 })
  const url = new URL(`http://${host}/`)
  const first = faultOf(one.send({ url }))
  assert.equal(await faultOf(one.send({ url, timeoutMs: brief })), 'timeout')
  one.stop()
  assert.equal(await first, 'connection')
})

test('an abort ends a call in every phase, with its reason', async (t) => {
  const { send } = patientClient(t)
  const reason = new Error('the caller left')
  for (const pieces of [[], ['HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab']]) {
    const url = new URL(`http://${await stallAfter(t, pieces)}/`)
    const abort = new AbortController()
    const call = send({ url, signal: abort.signal })
    setTimeout(() => abort.abort(reason), brief / 2)
    await assert.rejects(call, { code: 'aborted', cause: reason })
    await assert.rejects(send({ url, signal: abort.signal }), { code: 'aborted', cause: reason })
  }
})

test('an answer that is cut off is a fault and not a shorter answer', async (t) => {
  const { send } = patientClient(t)
  for (const head of ['content-length: 50', 'transfer-encoding: chunked']) {
    const host = await listen(
      t,
      createServer((socket) => socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n2\r\nab`))),
    )
    assert.equal(await faultOf(send({ url: new URL(`http://${host}/`) })), 'connection')
  }
})

test('a stream is read as it comes, for longer than a head may take, and ends at its own deadline', async (t) => {
  const host = await serve(t, (_, response) => {
    response.write('a')
    const timer = setInterval(() => response.write('a'), brief / 10)
    response.on('close', () => clearInterval(timer))
  })
  const { stream } = client(t)
  const opened = await stream({ url: new URL(`http://${host}/`), timeoutMs: brief * 20, headTimeoutMs: brief * 15 })
  assert.equal(opened.status, 200)
  await assert.rejects(readText(opened), { code: 'timeout' })
})

test('a stream that its reader leaves closes the connection', async (t) => {
  const closed = Promise.withResolvers<void>()
  const host = await serve(t, (_, response) => {
    response.write('a')
    response.on('close', closed.resolve)
  })
  const { body } = await patientClient(t).stream({ url: new URL(`http://${host}/`), timeoutMs: 60_000 })
  for await (const _ of body) break
  await closed.promise
})

test('a finished call leaves its connection for the next one', async (t) => {
  const sockets = new Set<Socket>()
  const host = await serve(t, (request, response) => {
    sockets.add(request.socket)
    response.end('ok')
  })
  const { send } = patientClient(t)
  for (let i = 0; i < 3; i++) assert.equal((await send({ url: new URL(`http://${host}/`) })).body.toString(), 'ok')
  assert.equal(sockets.size, 1)
})
