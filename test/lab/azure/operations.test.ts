import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startLocalAzure } from '../../support/local-azure.ts'

test('an operation of Azure that is not implemented is refused by its name', async (t) => {
  const azure = await startLocalAzure(t)
  await azure.createVault('shop')
  const ask = async (method: 'GET' | 'POST', url: string, resource: string) => {
    const headers = { authorization: `Bearer ${await azure.token(resource)}` }
    const { status, body } = await azure.send({ method, url: new URL(url), headers })
    return [status, body.toString('utf8')] as const
  }
  const vault = 'https://shop.vault.azure.net/keys/k/v/release?api-version=7.4'
  const [status, text] = await ask('POST', vault, 'https://vault.azure.net')
  assert.equal(status, 501)
  assert.match(text, /NotImplemented.*does not implement vault\.key\.release \(POST \/keys\/k\/v\/release\)/)
  const [, ofGraph] = await ask('GET', 'https://graph.microsoft.com/v1.0/users', 'https://graph.microsoft.com')
  assert.match(ofGraph, /does not implement graph\.user\.list/)
  const types = 'https://management.azure.com/providers/Microsoft.EventGrid/topicTypes?api-version=2021-04-01'
  const [, ofArm] = await ask('GET', types, 'https://management.azure.com')
  assert.match(ofArm, /does not implement arm\.topicType\.list/)
})
