import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect as connectPlain, createServer as createTcpServer, type Socket } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { readMachineProxy } from '#lab/azure'
import { Problems } from '#lib'
import { listen } from '#lib/http'
import { startLocalAzure, type TestAzure } from '../../support/local-azure.ts'

/** What the proxy answers to the first line of a request. */
function askProxy(azure: TestAzure, head: string): Promise<{ status: number; text: string; socket: Socket }> {
  const { hostname, port } = new URL(azure.proxyUrl)
  return new Promise((resolve, reject) => {
    const socket = connectPlain(Number(port), hostname, () => socket.write(`${head}\r\n\r\n`))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('closed without an answer')))
    socket.once('data', (data) =>
      resolve({ status: Number(data.toString().split(' ')[1]), text: data.toString(), socket }),
    )
  })
}

/** The certificate that a host shows through the proxy, verified against the lab's authority. */
async function certificateOf(azure: TestAzure, host: string): Promise<X509Certificate> {
  const { socket } = await askProxy(azure, `CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}:443`)
  return new Promise((resolve, reject) => {
    const tls = connectTls({ socket, servername: host, ca: readFileSync(azure.caFile) }, () => {
      const certificate = tls.getPeerX509Certificate()
      tls.destroy()
      if (certificate === undefined) reject(new Error('no certificate'))
      else resolve(certificate)
    })
    tls.on('error', reject)
  })
}

test('every served host has its own certificate, signed by the authority in the CA file', async (t) => {
  const azure = await startLocalAzure(t)
  const ca = new X509Certificate(readFileSync(azure.caFile))
  assert.ok(ca.ca)
  for (const host of [
    'login.microsoftonline.com',
    'management.azure.com',
    'graph.microsoft.com',
    'any-vault.vault.azure.net',
  ]) {
    const certificate = await certificateOf(azure, host)
    assert.equal(certificate.subjectAltName, `DNS:${host}`)
    assert.ok(certificate.checkIssued(ca) && certificate.verify(ca.publicKey))
    assert.equal(certificate.ca, false)
  }
})

test('other hosts and ports are refused with the reason', async (t) => {
  const azure = await startLocalAzure(t)
  for (const [target, text] of [
    ['example.com:443', /does not serve example\.com: it is not a host of Azure.*\*\.vault\.azure\.net/],
    ['vault.azure.net:443', /does not serve vault\.azure\.net/],
    ['a.b.vault.azure.net:443', /does not serve a\.b\.vault\.azure\.net/],
    ['login.microsoftonline.us:443', /does not emulate AzureUSGovernment/],
    ['shop.vault.azure.net:80', /on port 443 only/],
    ['169.254.169.254:80', /does not serve/],
  ] as const) {
    const answer = await askProxy(azure, `CONNECT ${target} HTTP/1.1\r\nHost: ${target}`)
    assert.equal(answer.status, 403, target)
    assert.match(answer.text, text)
  }
  assert.equal((await askProxy(azure, 'CONNECT nonsense HTTP/1.1\r\nHost: x')).status, 400)
  const get = await askProxy(azure, 'GET http://example.com/ HTTP/1.1\r\nHost: example.com')
  assert.equal(get.status, 405)
  assert.match(get.text, /only answers CONNECT/)
})

test("other hosts are reached through the proxy when the lab is not offline, directly or by the machine's own proxy", async (t) => {
  const site = await startTextServer(t, 'hello from elsewhere')
  const direct = await startLocalAzure(t, { forwarding: { proxyFor: () => undefined } })
  assert.match(await getThrough(direct.proxyUrl, site), /hello from elsewhere/)

  const machine = await startMachineProxy(t)
  const proxyFor = readMachineProxy(
    { https_proxy: machine.url, HTTPS_PROXY: 'http://unused.example:1' },
    new Problems(),
  )
  const through = await startLocalAzure(t, { forwarding: { proxyFor } })
  assert.match(await getThrough(through.proxyUrl, site), /hello from elsewhere/)
  assert.deepEqual(machine.requests, [`${site} ${machine.authorization}`])

  const { status, text } = await askProxy(through, 'CONNECT login.microsoftonline.us:443 HTTP/1.1\r\nHost: x')
  assert.equal(status, 403)
  assert.match(text, /does not emulate AzureUSGovernment/)
  assert.equal(await statusOf(through, 'https://management.azure.com/?api-version=2024-01-01'), 401)
})

test('a host that cannot be reached is a 502 that names the way, and a proxy that names itself is not asked', async (t) => {
  const closed = await startTextServer(t, '')
  await closed.stop()
  const azure: TestAzure = await startLocalAzure(t, { forwarding: { proxyFor: () => new URL(azure.proxyUrl) } })
  const own = await askProxy(azure, `CONNECT ${closed} HTTP/1.1\r\nHost: x`)
  assert.equal(own.status, 502)
  assert.match(own.text, /cannot reach it directly: .*ECONNREFUSED/)
  const refusing = await startMachineProxy(t, 407)
  const proxyFor = readMachineProxy({ HTTPS_PROXY: refusing.url, NO_PROXY: 'localhost' }, new Problems())
  const other = await startLocalAzure(t, { forwarding: { proxyFor } })
  const { status, text } = await askProxy(other, 'CONNECT example.com:443 HTTP/1.1\r\nHost: x')
  assert.equal(status, 502)
  assert.match(text, /cannot reach it through the proxy 127\.0\.0\.1:\d+: .* answered 407/)
  assert.doesNotMatch(text, /password/)
})

test("the machine's proxy is left out for the hosts of NO_PROXY and their subdomains", () => {
  const proxyFor = readMachineProxy(
    { https_proxy: 'proxy.example:3128', no_proxy: 'a.example, .b.example' },
    new Problems(),
  )
  for (const host of ['a.example', 'x.a.example', 'x.b.example']) assert.equal(proxyFor(host), undefined, host)
  for (const host of ['ba.example', 'example']) assert.equal(proxyFor(host)?.href, 'http://proxy.example:3128/', host)
  assert.equal(readMachineProxy({ HTTPS_PROXY: 'http://p', NO_PROXY: '*' }, new Problems())('a.example'), undefined)
})

test('a tunnel to a host of the lab does not reach other hosts', async (t) => {
  const azure = await startLocalAzure(t)
  const { status } = await azure.send({
    url: new URL('https://management.azure.com/'),
    headers: { host: 'example.com' },
  })
  assert.equal(status, 421)
})

test('an unreachable vault is cut off, others stay reachable, and it recovers', async (t) => {
  const azure = await startLocalAzure(t)
  await azure.createVault('shop')
  await azure.createVault('other')
  await azure.setSecret('shop', 'x', 'before')
  await azure.control('PUT', '/faults/shop.vault.azure.net', { kind: 'unreachable' })
  await assert.rejects(azure.setSecret('shop', 'x', 'during'), /shop\.vault\.azure\.net/)
  await azure.setSecret('other', 'x', 'during')
  await azure.control('DELETE', '/faults/shop.vault.azure.net')
  await azure.setSecret('shop', 'x', 'after')
})

test('throttling and errors have the format of each service', async (t) => {
  const azure = await startLocalAzure(t)
  await azure.createVault('shop')
  await azure.control('PUT', '/faults/shop.vault.azure.net', { kind: 'throttle', retryAfterSeconds: 7 })
  const throttled = await azure.send({ url: new URL('https://shop.vault.azure.net/secrets/x') })
  assert.deepEqual([throttled.status, throttled.headers['retry-after']], [429, '7'])
  assert.equal(JSON.parse(throttled.body.toString('utf8')).error.code, 'Throttled')
  await azure.control('PUT', '/faults/login.microsoftonline.com', { kind: 'error', status: 503 })
  const failed = await azure.send({
    url: new URL('https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration'),
  })
  assert.deepEqual([failed.status, JSON.parse(failed.body.toString('utf8')).error], [503, 'temporarily_unavailable'])
  assert.deepEqual(await azure.control('GET', '/faults'), {
    'login.microsoftonline.com': { kind: 'error', status: 503 },
    'shop.vault.azure.net': { kind: 'throttle', retryAfterSeconds: 7 },
  })
})

test('requests are counted by operation, and the counts can be reset', async (t) => {
  const azure = await startLocalAzure(t)
  await azure.createVault('shop')
  await azure.control('DELETE', '/requests')
  await azure.setSecret('shop', 'x', 'one')
  await azure.setSecret('shop', 'x', 'two')
  await azure.send({ url: new URL('https://shop.vault.azure.net/secrets/x') })
  assert.deepEqual(await azure.control('GET', '/requests'), {
    counts: { 'entra.token': 2, 'vault.challenge': 1, 'vault.secret.set': 2 },
  })
})

test('responses are delayed by the configured time', async (t) => {
  const waits: number[] = []
  const clock = {
    now: () => Date.now(),
    elapsed: () => performance.now(),
    after(ms: number, run: () => void) {
      // Longer ones belong to the maintenance of the vaults.
      if (ms > 1000) return () => {}
      waits.push(ms)
      run()
      return () => {}
    },
  }
  const azure = await startLocalAzure(t, { clock })
  assert.deepEqual(waits, [])
  await azure.control('PUT', '/delay', { ms: 30 })
  await azure.token('https://vault.azure.net')
  assert.deepEqual(waits, [30])
  assert.deepEqual(await azure.control('GET', '/delay'), { ms: 30 })
})

test('the control socket refuses invalid requests, and names what it expects', async (t) => {
  const azure = await startLocalAzure(t)
  await assert.rejects(azure.control('PUT', '/delay', { ms: 'long' }), /400.*ms/)
  await assert.rejects(azure.control('DELETE', '/faults/example.com'), /400.*does not serve example\.com/)
  await assert.rejects(
    azure.control('PUT', '/faults/example.com', { kind: 'unreachable' }),
    /the local Azure does not serve example\.com/,
  )
  await assert.rejects(azure.control('PUT', '/faults/shop.vault.azure.net', { kind: 'broken' }), /400.*kind/)
  await assert.rejects(
    azure.control('PUT', '/faults/shop.vault.azure.net', { kind: 'error', statusCode: 503 }),
    /statusCode/,
  )
  await assert.rejects(
    azure.control('GET', '/nothing'),
    /404.*\/delay, \/faults\/HOST, \/requests, \/events, \/event-grid, \/vaults, \/identity-bindings\/token or \/operations/,
  )
})

/** A plain server that answers every connection with a text; prints as its `HOST:PORT`. */
async function startTextServer(t: TestContext, text: string) {
  const server = createTcpServer((socket) => void socket.end(text))
  const { port, stop } = await listen(server, { host: '127.0.0.1', port: 0 })
  t.after(stop)
  return { stop, toString: () => `127.0.0.1:${port}` }
}

/** What comes through a tunnel of the proxy. */
async function getThrough(proxyUrl: string, target: { toString(): string }): Promise<string> {
  const { hostname, port } = new URL(proxyUrl)
  const socket = connectPlain(Number(port), hostname)
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`)
  return readText(socket)
}

/** The proxy of a company: it wants a password, records whom it was asked for, and forwards (or answers `status`). */
async function startMachineProxy(t: TestContext, status = 200) {
  const requests: string[] = []
  const server = createServer()
  server.on('connect', (request, socket) => {
    requests.push(`${request.url} ${request.headers['proxy-authorization']}`)
    if (status !== 200) return void socket.end(`HTTP/1.1 ${status} No\r\n\r\n`)
    const { hostname, port } = new URL(`http://${request.url}`)
    const far = connectPlain(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(far).pipe(socket)
    })
  })
  const { port, stop } = await listen(server, { host: '127.0.0.1', port: 0 })
  t.after(stop)
  const authorization = `Basic ${Buffer.from('user:password').toString('base64')}`
  return { url: `http://user:password@127.0.0.1:${port}`, requests, authorization }
}

async function statusOf(azure: TestAzure, url: string): Promise<number> {
  return (await azure.send({ url: new URL(url) })).status
}
