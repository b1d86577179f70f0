import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRequestTarget } from './request-target.ts'
import { parseTokenQuery, type TokenQuery } from './token-query.ts'

test('NMI query parse: none, client_id, resource, msi_res_id, mi_res_id', () => {
  const rows: [string, Partial<TokenQuery>][] = [
    ['', {}],
    ['?', {}],
    ['?client_id=c', { clientId: 'c' }],
    ['?resource=https%3A%2F%2Fvault.azure.net', { resource: 'https://vault.azure.net' }],
    // Upstream's Key Vault provider does not escape it.
    ['?resource=https://vault.azure.net&client_id=c', { resource: 'https://vault.azure.net', clientId: 'c' }],
    ['?msi_res_id=/a', { resourceId: '/a' }],
    ['?mi_res_id=/b', { resourceId: '/b' }],
    ['?msi_res_id=/a&mi_res_id=/b', { resourceId: '/a' }],
  ]
  for (const [query, expected] of rows) {
    const parsed = parseTokenQuery(parseRequestTarget(`/metadata/identity/oauth2/token${query}`).query)
    assert.deepEqual(parsed, { resource: '', clientId: '', resourceId: '', ...expected })
  }
})
