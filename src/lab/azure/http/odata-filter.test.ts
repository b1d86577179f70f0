import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseFilter } from './odata-filter.ts'

test('parseFilter() reads the filters that az and the SDKs send', () => {
  assert.deepEqual(parseFilter("resourceType eq 'Microsoft.KeyVault/vaults' and name eq 'v'"), [
    { kind: 'equals', field: 'resourceType', value: 'Microsoft.KeyVault/vaults' },
    { kind: 'equals', field: 'name', value: 'v' },
  ])
  assert.deepEqual(parseFilter("servicePrincipalNames/any(c:c eq 'x')"), [
    { kind: 'any', field: 'servicePrincipalNames', value: 'x' },
  ])
  assert.deepEqual(parseFilter("startswith(displayName,'it''s and more')"), [
    { kind: 'call', name: 'startswith', arguments: ['displayName', "it's and more"] },
  ])
  assert.deepEqual(parseFilter('atScope()'), [{ kind: 'call', name: 'atScope', arguments: [] }])
  assert.deepEqual(parseFilter("atScope() and assignedTo('x')"), [
    { kind: 'call', name: 'atScope', arguments: [] },
    { kind: 'call', name: 'assignedTo', arguments: ['x'] },
  ])
  assert.deepEqual(parseFilter(''), [])
})

test('parseFilter() refuses unsupported filters', () => {
  assert.equal(parseFilter("name ne 'x'"), undefined)
  assert.equal(parseFilter("name eq 'x' or name eq 'y'"), undefined)
})
