import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { openRecordStore } from '../records/record-store.ts'
import { createActionMatch } from './action-match.ts'
import { createRoleAssignments, isWithin } from './role-assignments.ts'
import { builtInRoles, ownerRole } from './role-definitions.ts'

function roleAssignments(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'roles-'))
  const store = openRecordStore(join(directory, 'state.jsonl'))
  t.after(() => {
    store.close()
    rmSync(directory, { recursive: true, force: true })
  })
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

test('a role reaches its scope and what is below, in any case, and nothing beside it', (t) => {
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
      assert.equal(roles.permits('somebody else', 'x/read', resource), false)
    }),
  )
})

test('a scope does not reach a name that begins alike', () => {
  assert.equal(isWithin('/vaults/shop2', '/vaults/shop'), false)
  assert.equal(isWithin('/vaults/shop/secrets/x', '/vaults/shop'), true)
})

test('what hangs on a resource goes with it, and nothing else', (t) => {
  const { store, roles, assign } = roleAssignments(t)
  for (const scope of ['/g', '/g/v', '/g/V/secrets/x', '/g/v2']) assign('p', scope)
  store.commit(roles.removeUnder('/G/v'))
  assert.deepEqual(
    roles.ofPrincipal('p').map(({ scope }) => scope),
    ['/g', '/g/v2'],
  )
})

test('patterns have no case, a star stands for any text, and what is denied is not allowed', () => {
  const match = createActionMatch(['Microsoft.KeyVault/*', '*/read'], ['Microsoft.KeyVault/vaults/delete'])
  assert.equal(match('microsoft.keyvault/vaults/write'), true)
  assert.equal(match('Microsoft.Compute/virtualMachines/read'), true)
  assert.equal(match('Microsoft.KeyVault/vaults/DELETE'), false)
  assert.equal(match('MicrosoftXKeyVault/vaults/write'), false)
  assert.equal(match('Microsoft.Compute/virtualMachines/readiness'), false)
})

test('every built-in role has an id and a name of its own', () => {
  assert.equal(new Set(builtInRoles.map(({ name }) => name)).size, builtInRoles.length)
  assert.equal(new Set(builtInRoles.map(({ roleName }) => roleName)).size, builtInRoles.length)
})
