import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createKubeClient } from './kube-client.ts'

test('createKubeClient() names the server whose certificate authority cannot be used', () => {
  assert.throws(
    () =>
      createKubeClient({
        server: 'https://cluster.example.com:6443',
        namespace: 'default',
        ca: 'not PEM',
        cert: 'nor this',
        key: 'nor this',
      }),
    /^Error: the certificate authority, client certificate or key for https:\/\/cluster\.example\.com:6443 cannot be used: /,
  )
})
