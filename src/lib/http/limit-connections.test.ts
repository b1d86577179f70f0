import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, createServer, get, type RequestListener } from 'node:http'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { eventually } from '../../../test/support/eventually.ts'
import { listen } from './listen.ts'

async function serve(t: TestContext, maxConnections: number, handle: RequestListener): Promise<number> {
  const { port, stop } = await listen(createServer(handle), { host: '127.0.0.1', port: 0 }, { maxConnections })
  t.after(stop)
  return port
}

async function open(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.on('error', () => undefined).resume()
  await once(socket, 'connect')
  return socket
}

function ask(port: number, agent: Agent | false = false): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, agent }, async (response) => {
      resolve(Buffer.concat(await response.toArray()).toString())
    }).on('error', reject)
  })
}

test('beyond the limit the oldest connection without a whole request gives way, and every client is answered', async (t) => {
  const port = await serve(t, 4, (_, response) => response.end('ok'))
  const silent = [await open(t, port), await open(t, port)]
  const slow = [await open(t, port), await open(t, port)]
  for (const socket of slow) socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n1')
  for (let i = 0; i < 20; i++) {
    assert.equal(await ask(port), 'ok')
    silent.push(await open(t, port))
  }
  await eventually(() => assert.ok([...silent, ...slow].filter(({ destroyed }) => !destroyed).length <= 4))
  assert.equal(
    slow.every(({ destroyed }) => destroyed),
    true,
  )
})

test('an idle connection gives way when there is none that sends', async (t) => {
  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  const port = await serve(t, 1, (_, response) => response.end('ok'))
  assert.equal(await ask(port, agent), 'ok')
  assert.equal(await ask(port), 'ok')
})

test('of two idle connections the one whose last request is older gives way, however old the connection is', async (t) => {
  const port = await serve(t, 2, (_, response) => response.end('ok'))
  const [first, second] = [await open(t, port), await open(t, port)]
  for (const socket of [first, second, first]) {
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await once(socket, 'data')
  }
  assert.equal(await ask(port), 'ok')
  await eventually(() => assert.ok(second.destroyed))
  assert.equal(first.destroyed, false)
})

test('an exchange in progress never gives way: a new connection is ended while all wait for answers', async (t) => {
  const answers: (() => void)[] = []
  const port = await serve(t, 2, (_, response) => answers.push(() => response.end('late')))
  const first = [ask(port), ask(port)]
  await eventually(() => assert.equal(answers.length, 2))
  await assert.rejects(ask(port), { code: 'ECONNRESET' })
  for (const answer of answers) answer()
  assert.deepEqual(await Promise.all(first), ['late', 'late'])
})
