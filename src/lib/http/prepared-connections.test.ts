import assert from 'node:assert/strict'
import { Agent } from 'node:https'
import { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { sleep } from '#lib'
import { eventually } from '../../../test/support/eventually.ts'
import { startTlsServer } from '../../../test/support/tls-server.ts'
import { createHttpClient } from './http-client.ts'
import { HttpFault } from './http-fault.ts'
import { prepareConnections } from './prepared-connections.ts'

async function start(t: TestContext) {
  const server = await startTlsServer(t)
  const client = createHttpClient({ ca: server.ca })
  t.after(() => client.stop())
  const send = async () => (await client.send({ url: server.url })).body.toString()
  return { server, client, send }
}

test('requests use the connections that were prepared for their host, and open others when there are no more', async (t) => {
  const { server, client, send } = await start(t)
  client.prepare(server.url, 2)
  await eventually(() => assert.equal(server.connections, 2))
  assert.deepEqual(await Promise.all([send(), send()]), ['ok', 'ok'])
  assert.equal(server.connections, 2)
  await Promise.all([send(), send(), send()])
  assert.equal(server.connections, 3)
})

test('connections on their way serve requests, and idle ones count: none is opened twice', async (t) => {
  const { server, client, send } = await start(t)
  client.prepare(server.url, 2)
  client.prepare(server.url, 2)
  assert.deepEqual(await Promise.all([send(), send()]), ['ok', 'ok'])
  client.prepare(server.url, 2)
  assert.equal(await send(), 'ok')
  assert.equal(server.connections, 2)
  client.prepare(server.url, 3)
  await eventually(() => assert.equal(server.connections, 3))
})

test('a prepared connection that the server closed is not used', async (t) => {
  const { server, client, send } = await start(t)
  client.prepare(server.url, 1)
  await eventually(() => assert.equal(server.connections, 1))
  server.closeConnections()
  await sleep(50)
  assert.equal(await send(), 'ok')
  assert.equal(server.connections, 2)
})

test('a connection that cannot be prepared is the fault of the request that waits for it, and harms no other', async (t) => {
  const { server, client } = await start(t)
  const nowhere = new URL('https://127.0.0.1:9/')
  client.prepare(nowhere, 1)
  await assert.rejects(client.send({ url: nowhere }), (error) => error instanceof HttpFault && error.code === 'refused')
  client.prepare(nowhere, 3)
  await sleep(50)
  await assert.rejects(client.send({ url: nowhere }), (error) => error instanceof HttpFault && error.code === 'refused')
  const untrusting = createHttpClient()
  t.after(() => untrusting.stop())
  untrusting.prepare(server.url, 1)
  await assert.rejects(
    untrusting.send({ url: server.url }),
    (error) => error instanceof HttpFault && error.code === 'tls',
  )
})

test('stopping the client closes what was prepared', async (t) => {
  const { server, client } = await start(t)
  client.prepare(server.url, 2)
  await eventually(() => assert.equal(server.connections, 2))
  client.prepare(new URL('http://localhost/'), 1)
  client.stop()
})

/** Prepared connections of an agent whose connections open when the test makes them open. */
function prepareByHand() {
  const opening: Socket[] = []
  const agent = new Agent()
  agent.createConnection = (() => {
    const socket = new Socket()
    opening.push(socket)
    return socket
  }) as typeof agent.createConnection
  const connections = prepareConnections(agent, { total: 64, perOwner: 24 })
  const request = (host: string) =>
    agent.createConnection({ host, port: 443 } as Parameters<typeof agent.createConnection>[0], () => {})
  return { opening, request, prepare: connections.prepare }
}

test('all hosts and mounts of one owner have a share of the connections, and all owners a number together', () => {
  const { opening, prepare } = prepareByHand()
  for (let host = 0; host < 100; host++) prepare(`host-${host}`, 443, 24, 'a')
  assert.equal(opening.length, 24)
  for (const owner of ['b', 'c', 'd']) for (let host = 0; host < 10; host++) prepare(`${owner}-${host}`, 443, 24, owner)
  assert.equal(opening.length, 64)
})

test('a connection that is used, closed or failed makes room for another', () => {
  const { opening, prepare, request } = prepareByHand()
  prepare('first', 443, 24, 'a')
  opening[0]?.emit('error', new Error('refused'))
  opening[1]?.emit('secureConnect')
  opening[1]?.emit('close')
  request('first')
  assert.equal(opening.length, 24, 'the request takes one that is on its way')
  prepare('second', 443, 24, 'a')
  assert.equal(opening.length, 27)
  opening[2]?.emit('error', new Error('refused'))
  prepare('third', 443, 24, 'a')
  assert.equal(opening.length, 27, 'one that a request took counts once')
})
