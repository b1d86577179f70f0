import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpServer, get } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { listen } from './listen.ts'
import { ListenError } from './listen-error.ts'

const loopback = { host: '127.0.0.1', port: 0 }

test('listen() gives the port that it took, and a taken one is an error that names it', async (t) => {
  const first = await listen(createServer(), loopback)
  t.after(first.stop)
  assert.ok(first.port > 0)
  await assert.rejects(listen(createServer(), { ...loopback, port: first.port }), (error) => {
    assert.ok(error instanceof ListenError)
    assert.equal(error.code, 'EADDRINUSE')
    assert.equal(error.message, `cannot listen on 127.0.0.1:${first.port}: it is in use`)
    return true
  })
  await assert.rejects(listen(createServer(), { host: '192.0.2.1', port: 0 }), {
    message: 'cannot listen on 192.0.2.1:0: this machine has no such address',
  })
})

test('listen() serves a Unix socket that only its owner may use', async (t) => {
  const path = join(temporaryDirectory(t), 'sub', 's.sock')
  const running = await listen(
    createServer((socket) => socket.end('hello')),
    { path },
  )
  const client = connect(path)
  const [text] = await once(client, 'data')
  assert.equal(String(text), 'hello')
  await running.stop()
})

test('stop() ends open connections at once, and may be called twice', async () => {
  const running = await listen(createServer(), loopback)
  const client = connect(running.port, '127.0.0.1')
  client.on('error', () => undefined)
  await once(client, 'connect')
  await Promise.all([running.stop(), running.stop(), once(client, 'close')])
})

test('stop() with a drain lets an exchange in progress end, and closes idle connections before', async () => {
  const requested = Promise.withResolvers<() => void>()
  const server = createHttpServer((_, response) => requested.resolve(() => response.end('done')))
  const running = await listen(server, loopback, { drainMs: 60_000 })
  const idle = connect(running.port, '127.0.0.1')
  const answered = new Promise<string>((resolve, reject) => {
    get({ port: running.port, host: '127.0.0.1' }, (response) => {
      response.setEncoding('utf8').on('data', resolve)
    }).on('error', reject)
  })
  const finish = await requested.promise
  const stopped = running.stop()
  finish()
  assert.equal(await answered, 'done')
  idle.destroy()
  await stopped
})

test('stop() ends what is not done when the drain is over, upgraded connections too', async () => {
  const server = createHttpServer()
  server.on('upgrade', (_, socket: Socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n'))
  const running = await listen(server, loopback, { drainMs: 20 })
  const client = connect(running.port, '127.0.0.1')
  client.on('error', () => undefined)
  client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')
  await once(client, 'data')
  await Promise.all([running.stop(), once(client, 'close')])
})
