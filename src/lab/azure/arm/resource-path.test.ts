import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalPath, groupNameOf, targetOf } from './resource-path.ts'

const group = '/subscriptions/S/ResourceGroups/My-RG'
const vault = `${group}/providers/Microsoft.KeyVault/Vaults/Shop`

test('canonicalPath() lowers keywords and types, and leaves names as they are', () => {
  assert.equal(canonicalPath(vault), '/subscriptions/S/resourcegroups/My-RG/providers/microsoft.keyvault/vaults/Shop')
  assert.equal(
    canonicalPath(`${vault}/providers/Microsoft.Authorization/roleAssignments/ABC`),
    '/subscriptions/S/resourcegroups/My-RG/providers/microsoft.keyvault/vaults/Shop/providers/microsoft.authorization/roleassignments/ABC',
  )
  assert.equal(canonicalPath('//subscriptions/S/'), '/subscriptions/S')
})

const targets: [path: string, id: string, scope: string][] = [
  [vault, vault, group],
  [`${vault}/providers/Microsoft.Authorization/roleAssignments/ABC`, vault, vault],
  [`${vault}/secrets/x/providers/Microsoft.Authorization/roleAssignments`, `${vault}/secrets/x`, `${vault}/secrets/x`],
  [
    `${group}/providers/Microsoft.Authorization/roleAssignments/A`,
    `${group}/providers/Microsoft.Authorization/roleAssignments/A`,
    group,
  ],
  ['/subscriptions/S/providers/Microsoft.KeyVault/vaults', '/subscriptions/S', '/subscriptions/S'],
  [
    '/subscriptions/S/providers/Microsoft.KeyVault/locations/L/deletedVaults/V/purge',
    '/subscriptions/S/providers/Microsoft.KeyVault/locations/L/deletedVaults/V',
    '/subscriptions/S',
  ],
  [`${group}/resources`, group, group],
  [
    '/subscriptions/S/resourceGroups/a%28b%29',
    '/subscriptions/S/resourceGroups/a(b)',
    '/subscriptions/S/resourceGroups/a(b)',
  ],
  ['/subscriptions', '/', '/'],
]

test('targetOf() finds the id for the permission check, and the id that an extension extends', () => {
  for (const [path, id, scope] of targets) assert.deepEqual(targetOf(path), { id, scope }, path)
})

test('targetOf() and canonicalPath() accept any path', () => {
  const segment = fc.oneof(fc.constantFrom('subscriptions', 'resourceGroups', 'providers', '%zz', ''), fc.string())
  fc.assert(
    fc.property(fc.array(segment), (segments) => {
      const path = `/${segments.join('/')}`
      assert.equal(canonicalPath(canonicalPath(path)), canonicalPath(path))
      assert.match(targetOf(path).id, /^\//)
    }),
  )
})

test('groupNameOf() finds the group of a resource', () => {
  assert.equal(groupNameOf(vault), 'My-RG')
  assert.equal(groupNameOf('/subscriptions/S'), undefined)
})
