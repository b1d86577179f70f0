import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMeant, parseTokenQuery, redact } from './token-query.ts'

test('NMI query parse: none, client_id, resource, msi_res_id, mi_res_id', () => {
  const rows: [string, Partial<ReturnType<typeof parseTokenQuery>>][] = [
    ['', {}],
    ['?', {}],
    ['?client_id=c', { clientId: 'c' }],
    ['?resource=https%3A%2F%2Fvault.azure.net', { resource: 'https://vault.azure.net' }],
    // The Key Vault provider of upstream does not escape it.
    ['?resource=https://vault.azure.net&client_id=c', { resource: 'https://vault.azure.net', clientId: 'c' }],
    ['?msi_res_id=/a', { resourceId: '/a' }],
    ['?mi_res_id=/b', { resourceId: '/b' }],
    ['?msi_res_id=/a&mi_res_id=/b', { resourceId: '/a' }],
  ]
  for (const [query, expected] of rows) {
    const parsed = parseTokenQuery(`/metadata/identity/oauth2/token${query}`)
    assert.deepEqual(parsed, { resource: '', clientId: '', resourceId: '', ...expected })
  }
})

test('an identity is meant by its client id or its resource id, in any case, and not by the one in place of the other', () => {
  const identity = { spec: { clientID: 'Client', resourceID: '/Resource' } }
  const meant = (query: string) => isMeant(parseTokenQuery(query), identity)
  assert.deepEqual(['?', '?client_id=client', '?mi_res_id=/resource'].map(meant), [true, true, true])
  assert.deepEqual(['?client_id=/resource', '?mi_res_id=client', '?client_id=other'].map(meant), [false, false, false])
})

test('redact() keeps the first and the last four characters, of what has more', () => {
  assert.equal(redact('abcd1234-5678wxyz'), 'abcd##### REDACTED #####wxyz')
  assert.equal(redact('short'), '##### REDACTED #####')
})
