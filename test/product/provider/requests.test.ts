import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { ServingStatus } from '#kubernetes/grpc'
import { attributes, failureOf, objectsOf, startProvider } from '../../support/provider.ts'

const good = {
  keyvaultName: 'shop',
  tenantID: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
  objects: objectsOf({ objectName: 'db', objectType: 'secret' }),
}
const secrets = JSON.stringify({ clientid: 'app', clientsecret: 'planted-client-secret' })

test('version() answers the three values of upstream', async (t) => {
  const provider = await startProvider(t)
  assert.deepEqual(await provider.version(), {
    version: 'v1alpha1',
    runtimeName: 'secrets-store-csi-driver-provider-azure',
    runtimeVersion: 'v0.0.0-test',
  })
  assert.deepEqual(await provider.health(), ServingStatus.SERVING)
})

test('mount() names every problem of a class at once', async (t) => {
  const { mount } = await startProvider(t)
  const objects = objectsOf(
    { objectName: 'a', objectType: 'x' },
    { objectName: 'b_', objectType: 'key', objectAlias: '../b' },
  )
  const rows: [change: Record<string, string>, words: string[]][] = [
    [
      { objects, useVMManagedIdentity: 'maybe' },
      ['useVMManagedIdentity', 'objects[0].objectType', 'objects[1].objectName', "must not contain '..'"],
    ],
    [
      { keyvaultName: '', tenantID: '', cloudName: 'Mars' },
      ['keyvaultName', 'tenantId is not provided', 'cloudName Mars', 'nodePublishSecretRef'],
    ],
  ]
  for (const [change, words] of rows) {
    const { details } = await failureOf(mount({ attributes: attributes({ ...good, ...change }), secrets: 'null' }))
    for (const text of words) assert.ok(details.includes(text), `${text} in ${details}`)
  }
})

for (const [field, request, text] of [
  ['attributes', { attributes: '' }, 'failed to unmarshal attributes, error: '],
  ['attributes', { attributes: '{"a":1}' }, 'failed to unmarshal attributes, error: '],
  ['secrets', { secrets: '' }, 'failed to unmarshal secrets, error: '],
  ['secrets', { secrets: '["planted"]' }, 'failed to unmarshal secrets, error: '],
  ['permission', { permission: '' }, 'failed to unmarshal file permission, error: '],
  ['permission', { permission: '-1' }, 'failed to unmarshal file permission, error: '],
  ['permission', { permission: '"420"' }, 'failed to unmarshal file permission, error: '],
  ['permission', { permission: '4294967296' }, 'failed to unmarshal file permission, error: '],
] as const) {
  test(`mount() refuses ${field} ${JSON.stringify(request)}`, async (t) => {
    const { mount } = await startProvider(t)
    const { code, details } = await failureOf(mount({ attributes: attributes(good), secrets, ...request }))
    assert.equal(code, status.INVALID_ARGUMENT)
    assert.ok(details.startsWith(text), details)
    assert.ok(!details.includes('planted'), details)
  })
}
