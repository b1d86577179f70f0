import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalPath, groupIdOf, targetId } from './resource-path.ts'

const vault = '/subscriptions/S/ResourceGroups/My-RG/providers/Microsoft.KeyVault/Vaults/Shop'

test('canonicalPath() lowers keywords and types and keeps names', () => {
  assert.equal(canonicalPath(vault), '/subscriptions/S/resourcegroups/My-RG/providers/microsoft.keyvault/vaults/Shop')
  assert.equal(
    canonicalPath(`${vault}/providers/Microsoft.Authorization/roleAssignments/ABC`),
    '/subscriptions/S/resourcegroups/My-RG/providers/microsoft.keyvault/vaults/Shop/providers/microsoft.authorization/roleassignments/ABC',
  )
  assert.equal(canonicalPath('//subscriptions/S/'), '/subscriptions/S')
})

test('targetId() drops a trailing collection, action or extension', () => {
  assert.equal(targetId(vault), vault)
  assert.equal(targetId(`${vault}/providers/Microsoft.Authorization/roleAssignments/ABC`), vault)
  assert.equal(targetId('/subscriptions/S/providers/Microsoft.KeyVault/vaults'), '/subscriptions/S')
  assert.equal(
    targetId('/subscriptions/S/providers/Microsoft.KeyVault/locations/L/deletedVaults/V/purge'),
    '/subscriptions/S/providers/Microsoft.KeyVault/locations/L/deletedVaults/V',
  )
  assert.equal(targetId('/subscriptions/S/resourceGroups/G/resources'), '/subscriptions/S/resourceGroups/G')
  assert.equal(targetId('/subscriptions'), '/')
})

test('groupIdOf() finds the group of a resource', () => {
  assert.equal(groupIdOf(vault), '/subscriptions/S/ResourceGroups/My-RG')
  assert.equal(groupIdOf('/subscriptions/S'), undefined)
})
