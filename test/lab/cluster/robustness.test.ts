import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { loadKubeconfig } from '#kubernetes/client'
import { sleep } from '#lib'
import { startLocalCluster, type TestCluster } from '../../support/local-cluster.ts'

const configMaps = '/api/v1/namespaces/default/configmaps'
const start = (t: TestContext, overrides = {}) => startLocalCluster(t, { node: false, ...overrides })
const configMap = (name: string, data = {}) => ({ metadata: { name }, data })
const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`

/** The server still answers others. */
async function answers(cluster: TestCluster): Promise<void> {
  assert.equal((await cluster.request('GET', '/healthz')).status, 200)
}

/** A connection of the administrator, on which a test writes bytes of its own. */
async function open(t: TestContext, { server, ca, kubeconfig }: TestCluster): Promise<TLSSocket> {
  const { cert, key } = loadKubeconfig(kubeconfig)
  const { hostname, port } = new URL(server)
  const socket = connect({ host: hostname, port: Number(port), ca, cert, key })
  socket.on('error', () => undefined)
  t.after(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

test('a body above the limit is refused, also one that claims to be smaller', async (t) => {
  const cluster = await start(t)
  const large = configMap('large', { a: 'x'.repeat(3 * 1024 * 1024) })
  const { status, body } = await cluster.request('POST', configMaps, large)
  assert.deepEqual([status, body.reason], [413, 'RequestEntityTooLarge'])

  const socket = await open(t, cluster)
  socket.write(`POST ${configMaps} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n`)
  const chunk = `100000\r\n${'x'.repeat(0x10_0000)}\r\n`
  for (let megabytes = 0; megabytes < 4; megabytes++) socket.write(chunk)
  const [answer] = await once(socket, 'data')
  assert.match(String(answer), /^HTTP\/1\.1 413 /)
  await answers(cluster)
})

test('JSON and YAML that nest too deep are refused, without quoting the body', async (t) => {
  const cluster = await start(t)
  const secret = 'do-not-quote-me'
  const rows: [body: string, type: string, message: RegExp][] = [
    [nested(501), 'application/json', /nests deeper than the 500 levels allowed/],
    [nested(100_000), 'application/json', /nests deeper than the 500 levels allowed/],
    [nested(501), 'application/yaml', /nests deeper than the 500 levels allowed/],
    [`a: ${'['.repeat(20_000)}`, 'application/yaml', /is not valid YAML/],
    [`{"data": {"a": "${secret}" x}}`, 'application/json', /not valid JSON: line 1/],
    [`data: {a: "${secret}" x}`, 'application/yaml', /is not valid YAML/],
    [`a: ${'x'.repeat(300_000)}`, 'application/yaml', /limit for YAML is 262144/],
  ]
  for (const [text, type, message] of rows) {
    const { status, body } = await cluster.request('POST', configMaps, text, { headers: { 'content-type': type } })
    assert.ok(status === 400 || status === 413, `${status}`)
    assert.match(body.message, message)
    assert.ok(!body.message.includes(secret))
  }
  await answers(cluster)
})

test('a patch that nests or grows an object beyond the limits changes nothing', async (t) => {
  const cluster = await start(t)
  await cluster.request('POST', configMaps, configMap('x', { a: '1' }))
  const patch = (body: unknown, type: string) =>
    cluster.request('PATCH', `${configMaps}/x`, body, { headers: { 'content-type': `application/${type}` } })
  const doubling = Array.from({ length: 40 }, (_, index) => ({ op: 'copy', from: '', path: index % 2 ? '/a' : '/b' }))
  assert.equal((await patch(doubling, 'json-patch+json')).status, 422)
  assert.equal((await patch(nested(501), 'merge-patch+json')).status, 400)
  assert.equal((await patch(Array(10_001).fill({ op: 'test', path: '' }), 'json-patch+json')).status, 413)
  assert.equal((await patch([{ op: 'add', path: '/__proto__/polluted', value: 1 }], 'json-patch+json')).status, 422)
  assert.deepEqual((await cluster.request('GET', `${configMaps}/x`)).body.data, { a: '1' })
})

test('numbers in a URL that are not whole numbers of at least 0 are refused, and a large one does not end a watch', async (t) => {
  const cluster = await start(t)
  for (const query of [
    'limit=-1',
    'limit=x',
    'watch=true&timeoutSeconds=-1',
    'watch=true&timeoutSeconds=1e99',
    'continue=e30',
  ]) {
    assert.equal((await cluster.request('GET', `${configMaps}?${query}`)).status, 400, query)
  }
  // More than a timer can hold would end the watch at once.
  const large = `${configMaps}?watch=true&timeoutSeconds=99999999&resourceVersion=0`
  const watching = cluster.lines(large, (lines) => lines.some((line) => line.includes('"later"')))
  await sleep(300)
  await cluster.request('POST', configMaps, configMap('later'))
  assert.ok((await watching).at(-1)?.includes('"later"'))
})

test('a client that sends its request too slowly loses its connection, with headers and with a body', async (t) => {
  const cluster = await start(t, { clientTimeoutMs: 300 })
  const slow = [
    `GET ${configMaps} HTTP/1.1\r\nhost: x\r\n`,
    `POST ${configMaps} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{`,
  ]
  for (const text of slow) {
    const socket = await open(t, cluster)
    const closed = once(socket, 'close')
    socket.resume().write(text)
    await closed
  }
  await answers(cluster)
})

test('a client that reads nothing of a long answer loses its connection', async (t) => {
  const cluster = await start(t, { clientTimeoutMs: 300 })
  for (let index = 0; index < 20; index++) {
    await cluster.request('POST', configMaps, configMap(`c-${index}`, { a: 'x'.repeat(1024 * 1024) }))
  }
  const socket = await open(t, cluster)
  const closed = once(socket, 'close')
  socket.pause()
  socket.write(`GET ${configMaps} HTTP/1.1\r\nhost: x\r\n\r\n`)
  // The end is seen only by a socket that reads; what was sent before is less than the answer. A busy machine ends it late.
  await sleep(4_000)
  let received = 0
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  socket.resume()
  await closed
  assert.ok(received < 20 * 1024 * 1024, `${received} bytes`)
  await answers(cluster)
})

test('a quiet watch outlives the time limit of clients', async (t) => {
  const cluster = await start(t, { clientTimeoutMs: 200 })
  const watching = cluster.lines(`${configMaps}?watch=true&resourceVersion=0`, (lines) =>
    lines.some((line) => line.includes('late')),
  )
  await sleep(700)
  await cluster.request('POST', configMaps, configMap('late'))
  assert.ok((await watching).at(-1)?.includes('"late"'))
})

test('long lists with keys are merged in linear time', async (t) => {
  const cluster = await start(t)
  const env = Array.from({ length: 10_000 }, (_, index) => ({ name: `V${index}`, value: 'x' }))
  const pod = { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'busybox', env }] } }
  assert.equal((await cluster.request('POST', '/api/v1/namespaces/default/pods', pod)).status, 201)
  const path = '/api/v1/namespaces/default/pods/p'
  const changed = { spec: { containers: [{ name: 'c', image: 'busybox:2', env }] } }
  const headers = { 'content-type': 'application/strategic-merge-patch+json' }
  const patched = await cluster.request('PATCH', path, changed, { headers })
  assert.deepEqual([patched.status, patched.body.spec.containers[0].env.length], [200, 10_000])
})
