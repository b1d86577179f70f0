import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTokenProxy, findClusterId, sniOfCluster } from './token-proxy.ts'

test('sniOfCluster() gives the names that the proxy of AKS knows', () => {
  assert.equal(
    sniOfCluster('696995ccb303450001b31a18'),
    'aeaf29ip1hi5q38ebc3u4daum81u0unk52t5bg50j25234fmuj78g.ests.aks',
  )
  assert.equal(sniOfCluster('abc123def456'), 'avimke6u6l2eeq8qc1cneuaq4sl2e1av9t4clqgun97le32hub670.ests.aks')
  assert.equal(sniOfCluster('x').split('.')[0]?.length, 53)
})

test('findClusterId() takes the first name of the right shape', () => {
  assert.equal(
    findClusterId(['kubernetes.default', 'hcp-kubernetes.abc.svc.cluster.local', 'hcp-kubernetes.b.svc.cluster.local']),
    'abc',
  )
  assert.equal(findClusterId(['hcp-kubernetes.svc.cluster.local']), '')
  assert.equal(findClusterId(['kubernetes.default.svc.cluster.local']), undefined)
})

test('createTokenProxy() refuses a URL over which tokens must not travel', () => {
  for (const url of ['http://proxy', 'https://user@proxy', 'https://proxy/?x=1', 'https://proxy/#x', 'proxy']) {
    assert.throws(() => createTokenProxy({ url }), /token proxy: found/, url)
  }
})

test('a token proxy that cannot be set up gives the reason, and is tried again', async () => {
  const proxy = createTokenProxy({ caFile: '/nowhere/ca.crt' })
  const request = { url: new URL('https://login.microsoftonline.com/t/oauth2/v2.0/token') }
  for (let i = 0; i < 2; i++) {
    await assert.rejects(proxy.send(request), {
      code: 'token-proxy-unavailable',
      message:
        /^proxy transport not available: compute SNI name: extract cluster ID from API server certificate: read CA file.*use --sni-name flag/,
    })
  }
})
