import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { vaultAddress } from '#azure/keyvault'
import { concealedName } from '#kubernetes/client'
import { parseChanged } from './changed-objects.ts'

const shop = vaultAddress('shop', 'vault.azure.net')
const bank = vaultAddress('bank', 'vault.azure.net')

function changed(...ids: unknown[]) {
  const isChanged = parseChanged(JSON.stringify(ids))
  const objects = [
    [shop, 'db'],
    [shop, 'tls'],
    [bank, 'db'],
  ] as const
  return objects.flatMap(([vault, name]) => (isChanged?.(vault, name) ? [`${vault.name}/${name}`] : []))
}

test('an id names the objects of that name in that vault, whatever their type, version and case', () => {
  assert.deepEqual(changed('https://shop.vault.azure.net/secrets/db/1f'), ['shop/db'])
  assert.deepEqual(changed('https://SHOP.vault.azure.net/certificates/TLS'), ['shop/tls'])
  assert.deepEqual(changed('https://shop.vault.azure.net/keys/other'), [])
  assert.deepEqual(changed(), [])
})

test('a concealed name is that of the same object, whatever its case, and does not show it', () => {
  const id = `https://shop.vault.azure.net/secrets/${concealedName('DB')}/1f`
  assert.doesNotMatch(id, /db/i)
  assert.deepEqual(changed(id), ['shop/db'])
})

test('an id of a vault names all of its objects, and anything else names any', () => {
  for (const id of ['https://shop.vault.azure.net', 'https://shop.vault.azure.net/'])
    assert.deepEqual(changed(id), ['shop/db', 'shop/tls'])
  for (const id of ['*', '', 4, null]) assert.deepEqual(changed(id), ['shop/db', 'shop/tls', 'bank/db'])
})

test('a text that does not list ids names any object; without the attribute there is no answer', () => {
  assert.equal(parseChanged(undefined), undefined)
  for (const text of ['', '{}', 'null', '[', '"*"']) assert.equal(parseChanged(text)?.(shop, 'db'), true, text)
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void parseChanged(text)?.(shop, 'db')))
})
