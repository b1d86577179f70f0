import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { Problems } from '#lib'
import { createHttpClient } from './http-client.ts'
import { readProxyEnvironment } from './proxy-environment.ts'

test('an address without a scheme is an HTTP proxy, as for Go programs; empty variables do not count', () => {
  const problems = new Problems()
  const env = { HTTPS_PROXY: 'proxy.internal:3128', http_proxy: 'http://p', NO_PROXY: '.svc', no_proxy: '', OTHER: 'x' }
  assert.deepEqual(readProxyEnvironment(env, problems), {
    HTTPS_PROXY: 'http://proxy.internal:3128',
    http_proxy: 'http://p',
    NO_PROXY: '.svc',
  })
  assert.equal(problems.count, 0)
})

test('a proxy variable that cannot be used is reported by its name, never by its value', () => {
  for (const value of [
    'http://user:planted@bad host:1',
    'user:planted@bad host:1',
    'socks5://user:planted@proxy:1080',
    'ftp://user:planted@proxy',
    'http://user:planted@proxy:port',
  ]) {
    for (const name of ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy']) {
      assert.throws(
        () => createHttpClient({ proxyEnv: { [name]: value } }),
        (error: Error) => error.message.includes(name) && !inspect(error, { depth: 9 }).includes('planted'),
      )
    }
  }
})
