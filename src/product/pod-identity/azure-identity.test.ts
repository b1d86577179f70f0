import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isIdentityId } from './azure-identity.ts'

test('isIdentityId() accepts the id of a managed identity in any case, and nothing else', () => {
  const id = '/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/shop'
  const rows: [string, boolean][] = [
    [id, true],
    [id.toLowerCase(), true],
    [id.toUpperCase(), true],
    [`${id}\n`, false],
    [` ${id}`, false],
    [id.replace('/g/', '/g\u00a0/'), false],
    [`${id}${'x'.repeat(1000)}`, false],
    ['', false],
    ['shop', false],
    ['/subscriptions/s/resourceGroups/g', false],
    [id.replace('/shop', ''), false],
    [`${id}/federatedIdentityCredentials/f`, false],
    [id.replace('Microsoft.ManagedIdentity/userAssignedIdentities', 'Microsoft.Compute/virtualMachines'), false],
  ]
  for (const [text, expected] of rows) assert.equal(isIdentityId(text), expected, text)
})
