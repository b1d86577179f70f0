import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { callSocket } from './call-socket.ts'

async function serve(t: TestContext, answer: RequestListener): Promise<string> {
  const directory = temporaryDirectory(t, 'socket-')
  const server = createServer(answer)
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const path = join(directory, 's.sock')
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return path
}

test('callSocket() sends and parses JSON', async (t) => {
  const path = await serve(t, (incoming, response) => {
    incoming.setEncoding('utf8').once('data', (text) => response.end(JSON.stringify({ saw: JSON.parse(text) })))
  })
  assert.deepEqual(await callSocket(path, { method: 'PUT', path: '/x', body: { a: 1 } }), { saw: { a: 1 } })
})

test('callSocket() throws the error of the server, and when it does not respond', async (t) => {
  const refusing = await serve(t, (_incoming, response) => response.writeHead(404).end('no such thing'))
  await assert.rejects(callSocket(refusing, { method: 'GET', path: '/x' }), /answered 404 to GET \/x: no such thing/)
  const silent = await serve(t, () => undefined)
  await assert.rejects(
    callSocket(silent, { method: 'GET', path: '/x', timeoutMs: 20 }),
    /no complete answer from .*s\.sock within 0\.02 s/,
  )
  const wrong = await serve(t, (_incoming, response) => response.end('{'))
  await assert.rejects(callSocket(wrong, { method: 'GET', path: '/x' }), /the answer of .* is not valid JSON/)
  await assert.rejects(callSocket('/nowhere.sock', { method: 'GET', path: '/' }), {
    name: 'HttpFault',
    code: 'connection',
  })
})
