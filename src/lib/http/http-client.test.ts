import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type TestContext, test } from 'node:test'
import { clientOf, faultOf } from '../../../test/support/http-client-of.ts'
import { loopbackPort } from '../../../test/support/loopback-port.ts'

/** A plain server on loopback that answers `ok`, and whatever follows `/big/` as a number of bytes. */
async function startServer(t: TestContext): Promise<{ url: URL; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    const size = Number(/\/big\/(\d+)/.exec(request.url ?? '')?.[1] ?? 0)
    if (request.url !== '/silent') response.end(size === 0 ? 'ok' : Buffer.alloc(size))
  })
  return { url: new URL(`http://127.0.0.1:${await loopbackPort(t, server)}/`), asked }
}

test('HTTP_PROXY is used, and NO_PROXY goes around it', async (t) => {
  const { url } = await startServer(t)
  const proxy = await startServer(t)
  const through = clientOf(t, { proxyEnv: { HTTP_PROXY: proxy.url.href } })
  assert.equal((await through.send({ url })).status, 200)
  assert.deepEqual(proxy.asked, [url.href])
  for (const NO_PROXY of ['127.0.0.1', 'example.com,127.0.0.1', '*']) {
    const around = clientOf(t, { proxyEnv: { HTTP_PROXY: proxy.url.href, NO_PROXY } })
    assert.equal((await around.send({ url })).body.toString(), 'ok')
  }
  assert.equal(proxy.asked.length, 1)
})

test('a server that is silent, gone or sends too much is a fault with that name', async (t) => {
  const { url } = await startServer(t)
  const { send } = clientOf(t, { maxBodyBytes: 1000 })
  assert.equal(await faultOf(send({ url: new URL('/silent', url), timeoutMs: 20 })), 'timeout')
  assert.equal(await faultOf(send({ url: new URL('/big/1001', url) })), 'too-large')
  assert.equal(await faultOf(send({ url: new URL('/big/1000', url) })), 'none')
  assert.equal(await faultOf(send({ url: new URL('http://127.0.0.1:9/') })), 'refused')
  assert.equal(await faultOf(send({ url: new URL('http://no-such-name.invalid/') })), 'dns')
  const signal = AbortSignal.abort(new Error('the caller left'))
  assert.equal(await faultOf(send({ url, signal })), 'aborted')
})
