import assert from 'node:assert/strict'
import { test } from 'node:test'
import { vaultObjects } from './vault-objects.ts'

const vaultHost = 'shop.vault.azure.net'

test('a class names the objects that events are matched with, those of other vaults and those that it selects', () => {
  const objects = `array:
  - |
    objectName: DB
    objectType: secret
    objectVersion: a1
  - |
    objectName: site
    objectType: cert
    vault: bank
  - |
    select:
      namePattern: app-.*
      type: key
`
  assert.deepEqual(vaultObjects(new Map(Object.entries({ keyvaultName: 'Shop', tenantID: 't', objects }))), [
    { vaultHost, collection: 'secrets', name: 'DB', version: 'a1' },
    { vaultHost: 'bank.vault.azure.net', collection: 'certificates', name: 'site', version: '' },
    { vaultHost, collection: 'keys', name: '*', version: '' },
  ])
})

test('a class that cannot be parsed, or whose cloud only the nodes know, has no objects', () => {
  const objects = 'array:\n  - |\n    objectName: db\n    objectType: secret\n'
  assert.deepEqual(
    vaultObjects(
      new Map([
        ['keyvaultName', 'shop'],
        ['objects', '{'],
      ]),
    ),
    [],
  )
  const stack = { keyvaultName: 'shop', cloudName: 'AzureStackCloud', objects }
  assert.deepEqual(vaultObjects(new Map(Object.entries(stack))), [])
})
