import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { temporaryDirectory } from '../../../../test/support/temporary-directory.ts'
import { openRecordStore } from '../records/record-store.ts'
import { createActionMatch } from './action-match.ts'
import { createRoleAssignments, isWithin } from './role-assignments.ts'
import { builtInRoles, ownerRole } from './role-definitions.ts'

function roleAssignments(t: TestContext) {
  const store = openRecordStore(join(temporaryDirectory(t), 'state.jsonl'))
  t.after(() => store.close())
  const roles = createRoleAssignments(store)
  const assign = (principalId: string, scope: string) => {
    const now = new Date(0).toISOString()
    const name = `${principalId}-${scope}`
    store.commit([
      roles.put({
        name,
        scope,
        roleName: ownerRole,
        principalId,
        principalType: 'x',
        createdOn: now,
        updatedOn: now,
        createdBy: 'x',
      }),
    ])
  }
  return { store, roles, assign }
}

const names = fc.constantFrom('a', 'A', 'ab', 'b')
const scopes = fc.array(names, { maxLength: 4 }).map((parts) => parts.map((part) => `/${part}`).join(''))

test('a role applies to its scope and everything below, in any case, and to nothing else', (t) => {
  const { roles, assign } = roleAssignments(t)
  let number = 0
  fc.assert(
    fc.property(scopes, scopes, (scope, resource) => {
      const principal = `p${number++}`
      assign(principal, scope)
      const parts = resource.toLowerCase().split('/')
      const expected = scope
        .toLowerCase()
        .split('/')
        .every((part, i) => parts[i] === part)
      assert.equal(roles.permits(principal, 'x/read', resource), expected)
      assert.equal(roles.permits('another principal', 'x/read', resource), false)
    }),
  )
})

test('a scope does not include a name with the same beginning', () => {
  assert.equal(isWithin('/vaults/shop2', '/vaults/shop'), false)
  assert.equal(isWithin('/vaults/shop/secrets/x', '/vaults/shop'), true)
})

test('the assignments of a resource and below it are removed with it, and no others', (t) => {
  const { store, roles, assign } = roleAssignments(t)
  for (const scope of ['/g', '/g/v', '/g/V/secrets/x', '/g/v2']) assign('p', scope)
  store.commit(roles.removeUnder('/G/v'))
  assert.deepEqual(
    roles.ofPrincipal('p').map(({ scope }) => scope),
    ['/g', '/g/v2'],
  )
})

test('patterns have no case, a star matches any text, and denied actions are not allowed', () => {
  const match = createActionMatch(['Microsoft.KeyVault/*', '*/read'], ['Microsoft.KeyVault/vaults/delete'])
  assert.equal(match('microsoft.keyvault/vaults/write'), true)
  assert.equal(match('Microsoft.Compute/virtualMachines/read'), true)
  assert.equal(match('Microsoft.KeyVault/vaults/DELETE'), false)
  assert.equal(match('MicrosoftXKeyVault/vaults/write'), false)
  assert.equal(match('Microsoft.Compute/virtualMachines/readiness'), false)
})

test('ids and names of built-in roles are unique', () => {
  assert.equal(new Set(builtInRoles.map(({ name }) => name)).size, builtInRoles.length)
  assert.equal(new Set(builtInRoles.map(({ roleName }) => roleName)).size, builtInRoles.length)
})
