import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { azureHttp } from './http-environment.ts'

test('a malformed HTTPS_PROXY is reported at the start by its name, never by its value', () => {
  for (const HTTPS_PROXY of ['http://user:planted@bad host:1', 'socks5://user:planted@proxy:1080']) {
    assert.throws(
      () => azureHttp({ HTTPS_PROXY }),
      (error: Error) => {
        assert.match(error.message, /^environment: HTTPS_PROXY: is not the URL of an HTTP proxy/)
        assert.ok(!inspect(error, { depth: 9 }).includes('planted'))
        return true
      },
    )
  }
})

test('a proxy without a scheme is used as an HTTP proxy', () => {
  assert.deepEqual(azureHttp({ HTTPS_PROXY: 'proxy:3128', NO_PROXY: '.svc' }).proxyEnv, {
    HTTPS_PROXY: 'http://proxy:3128',
    NO_PROXY: '.svc',
  })
})
