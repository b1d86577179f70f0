import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { connect, createServer as createTcpServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { loopbackPort } from '../../../test/support/loopback-port.ts'
import { createForwardToImds } from './forward-to-imds.ts'
import { ImdsRefusal, sendRefusal } from './imds-refusal.ts'

/** An IMDS that records every byte it gets, and answers when it has read a head and what `bodyEnd` matches behind it. */
async function startImds(t: TestContext, answer = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-of: imds\r\n\r\nok') {
  const received: string[] = []
  const server = createTcpServer((socket) => {
    const index = received.push('') - 1
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      received[index] += chunk.toString('latin1')
      const [head = '', body] = (received[index] ?? '').split('\r\n\r\n')
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
      const complete = /transfer-encoding: chunked/i.test(head)
        ? received[index]?.endsWith('0\r\n\r\n')
        : body !== undefined && body.length >= length
      if (complete) socket.end(answer)
    })
  })
  const port = await loopbackPort(t, server)
  return { received, endpoint: `http://127.0.0.1:${port}` }
}

/** A server that forwards everything. */
async function startForwarder(t: TestContext, endpoint: string): Promise<number> {
  const forward = createForwardToImds({ endpoint, loopAdvice: 'a loop', connectMs: 200 })
  const server = createServer((request, response) => {
    forward(request, response, request.url ?? '').catch((error: unknown) => {
      assert.ok(error instanceof ImdsRefusal)
      sendRefusal(response, error)
    })
  })
  t.after(() => server.closeAllConnections())
  return loopbackPort(t, server)
}

/** Sends these bytes, and returns what comes back until the other side is silent or closes. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (/\r\n\r\n(ok|\{.*\}\n)$/s.test(text)) socket.destroy()
    })
    socket.on('close', () => resolve(text))
    socket.on('error', reject)
  })
}

const hidden = 'GET /metadata/identity/oauth2/token?resource=r HTTP/1.1\r\nhost: x\r\nmetadata: true\r\n\r\n'
const chunk = `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`

for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS']) {
  for (const [framing, body] of [
    [`content-length: ${hidden.length}`, hidden],
    ['transfer-encoding: chunked', chunk],
  ] as const) {
    test(`a ${method} with ${framing.split(':')[0]} travels without its body, in which another request may hide`, async (t) => {
      const { received, endpoint } = await startImds(t)
      const port = await startForwarder(t, endpoint)
      await exchange(
        port,
        `${method} /metadata/instance HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${framing}\r\n\r\n${body}`,
      )
      assert.equal(received.length, 1)
      const [head = '', rest] = (received[0] ?? '').split('\r\n\r\n')
      assert.match(head, new RegExp(`^${method} /metadata/instance HTTP/1.1\r\n`))
      assert.doesNotMatch(head, /content-length: [1-9]|transfer-encoding/i)
      assert.equal(rest, '')
    })
  }
}

test('a POST is framed again: by the length that it states, or in chunks', async (t) => {
  const { received, endpoint } = await startImds(t)
  const port = await startForwarder(t, endpoint)
  const head = 'POST /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n'
  assert.match(await exchange(port, `${head}content-length: 5\r\n\r\nhello`), /^HTTP\/1.1 200/)
  assert.match(
    await exchange(port, `${head}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`),
    /^HTTP\/1.1 200/,
  )
  assert.match(await exchange(port, `${head}\r\n`), /^HTTP\/1.1 200/)
  assert.match(received[0] ?? '', /\r\ncontent-length: 5\r\n(?!.*transfer-encoding).*\r\n\r\nhello$/s)
  assert.match(
    received[1] ?? '',
    /\r\ntransfer-encoding: chunked\r\n(?!.*content-length).*\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/s,
  )
  assert.match(received[2] ?? '', /\r\ncontent-length: 0\r\n/)
})

test('a request with both framings, or with an encoding besides chunked, is refused', async (t) => {
  const { received, endpoint } = await startImds(t)
  const port = await startForwarder(t, endpoint)
  for (const framing of [
    'content-length: 5\r\ntransfer-encoding: chunked',
    'transfer-encoding: chunked\r\ncontent-length: 5',
    'transfer-encoding: gzip, chunked',
    'transfer-encoding: identity',
    'content-length: 5\r\ncontent-length: 6',
  ]) {
    for (const method of ['GET', 'POST']) {
      const answer = await exchange(
        port,
        `${method} /x HTTP/1.1\r\nhost: x\r\n${framing}\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
      )
      assert.match(answer, /^HTTP\/1.1 400/, framing)
    }
  }
  assert.deepEqual(received, [])
})

test('headers of the connection stay behind in both directions, and all others pass', async (t) => {
  const answer = 'HTTP/1.1 418 Teapot\r\ncontent-length: 2\r\nkeep-alive: timeout=9\r\nx-of: imds\r\n\r\nok'
  const { received, endpoint } = await startImds(t, answer)
  const port = await startForwarder(t, endpoint)
  const sent = [
    'host: x',
    'connection: close, x-hop',
    'x-hop: 1',
    'te: trailers',
    'metadata: true',
    'expect: 100-continue',
  ]
  const text = await exchange(port, `GET /x HTTP/1.1\r\n${sent.join('\r\n')}\r\n\r\n`)
  assert.match(received[0] ?? '', /\r\nmetadata: true\r\n/)
  assert.doesNotMatch(received[0] ?? '', /x-hop|te: trailers|expect/)
  assert.match(text, /HTTP\/1.1 418 .*x-of: imds\r\n/s)
  assert.doesNotMatch(text, /timeout=9/)
})

test('an IMDS that cannot be reached is a refusal of 502', async (t) => {
  const port = await startForwarder(t, 'http://127.0.0.1:1')
  const text = await exchange(port, 'GET /x HTTP/1.1\r\nhost: x\r\n\r\n')
  assert.match(text, /^HTTP\/1.1 502 .*"bad_gateway".*http:\/\/127.0.0.1:1 cannot be reached/s)
})

test('a request that comes from a connection of our own is refused instead of going round for ever', async (t) => {
  const server = createServer()
  const port = await loopbackPort(t, server)
  t.after(() => server.closeAllConnections())
  const forward = createForwardToImds({ endpoint: `http://127.0.0.1:${port}`, loopAdvice: 'this is a loop' })
  server.on('request', (request, response) => {
    forward(request, response, '/x').catch((error) => sendRefusal(response, error as ImdsRefusal))
  })
  const text = await exchange(port, 'GET /x HTTP/1.1\r\nhost: x\r\n\r\n')
  assert.match(text, /^HTTP\/1.1 508 .*"loop_detected".*this is a loop/s)
})
