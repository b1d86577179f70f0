import assert from 'node:assert/strict'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { areFree, assertPortFree, concretePort, freePorts } from './ports.ts'

const [first = 0, last = 0] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
  .trim()
  .split(/\s+/)
  .map(Number)

test('freePorts() gives different ports that no outgoing connection can take meanwhile', async () => {
  const ports = await freePorts(20)
  assert.equal(new Set(ports).size, 20)
  assert.ok(await areFree(ports))
  if (first - 10_000 + (65_535 - last) < 1000) return
  assert.deepEqual(
    ports.filter((port) => port >= first && port <= last),
    [],
  )
})

test('concretePort() keeps a port, and takes a free one for 0', async () => {
  assert.equal(await concretePort(4711), 4711)
  assert.ok((await concretePort(0)) >= 10_000)
})

test('assertPortFree() names the process that has the port', async (t) => {
  // The descriptor by which this process lists its own gets this number, and is closed when the socket behind it is reached.
  const lower = openSync('/dev/null', 'r')
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  closeSync(lower)
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const wanted = { listen: '127.0.0.1', port, owner: 'the local Azure', option: '--azure-port' }
  await assert.rejects(assertPortFree(wanted), new RegExp(`is in use by process ${process.pid} `))
  assert.equal(await areFree([port]), false)
})
