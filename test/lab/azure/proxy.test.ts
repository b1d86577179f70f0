import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect as connectPlain, type Socket } from 'node:net'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
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
    /404.*\/delay, \/faults\/HOST, \/requests, \/events, \/vaults or \/operations/,
  )
})
