import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { assignedIds, identityPatches, type MachineIdentity } from './machine-identity.ts'

const has = (type: string, ...ids: string[]): MachineIdentity => ({
  type,
  userAssignedIdentities: Object.fromEntries(ids.map((id) => [id, { clientId: 'c' }])),
})

test('identityPatches() sends the delta alone, and the type that the machine has afterwards', () => {
  const system = 'SystemAssigned'
  const both = 'SystemAssigned, UserAssigned'
  const rows: [string, MachineIdentity, { add?: string[]; remove?: string[] }, unknown][] = [
    ['add two', {}, { add: ['a', 'b'] }, { type: 'UserAssigned', userAssignedIdentities: { a: {}, b: {} } }],
    ['none', { type: 'None' }, { add: ['a'] }, { type: 'UserAssigned', userAssignedIdentities: { a: {} } }],
    [
      'null lists',
      { type: null, userAssignedIdentities: null },
      { add: ['a'] },
      { type: 'UserAssigned', userAssignedIdentities: { a: {} } },
    ],
    ['beside system', { type: system }, { add: ['a'] }, { type: both, userAssignedIdentities: { a: {} } }],
    ['beside both', has(both, 'x'), { add: ['a'] }, { type: both, userAssignedIdentities: { a: {} } }],
    [
      'remove one of two',
      has('UserAssigned', 'a', 'b'),
      { remove: ['a'] },
      { type: 'UserAssigned', userAssignedIdentities: { a: null } },
    ],
    [
      'remove the last',
      has('UserAssigned', 'a'),
      { remove: ['a'] },
      { type: 'None', userAssignedIdentities: { a: null } },
    ],
    [
      'remove the last, system stays',
      has(both, 'a'),
      { remove: ['a'] },
      { type: system, userAssignedIdentities: { a: null } },
    ],
    [
      'add and remove',
      has('UserAssigned', 'a'),
      { add: ['b'], remove: ['a'] },
      { type: 'UserAssigned', userAssignedIdentities: { a: null, b: {} } },
    ],
    ['the same in both stays', has('UserAssigned', 'a'), { add: ['a'], remove: ['a'] }, undefined],
    ['what is there already', has('UserAssigned', 'A'), { add: ['a'] }, undefined],
    ['what is not there', has('UserAssigned', 'a'), { remove: ['b'] }, undefined],
    ['nothing', has('UserAssigned', 'a'), {}, undefined],
  ]
  for (const [name, before, { add = [], remove = [] }, expected] of rows) {
    assert.deepEqual(identityPatches(before, { add, remove }), expected === undefined ? [] : [expected], name)
  }
})

test('identityPatches() splits what is more than 150: two in one request, two hundred in two that share nothing', () => {
  const ids = Array.from({ length: 200 }, (_, i) => `id-${i}`)
  assert.equal(identityPatches({}, { add: ids.slice(0, 2), remove: [] }).length, 1)
  const [first, second, ...more] = identityPatches({}, { add: ids, remove: [] })
  assert.deepEqual(more, [])
  const [a, b] = [first, second].map((patch) => Object.keys(patch?.userAssignedIdentities ?? {}))
  assert.equal(a?.length, 150)
  assert.equal(b?.length, 50)
  assert.deepEqual(new Set([...(a ?? []), ...(b ?? [])]).size, 200)
})

test('identityPatches() ends in what had and was to be added without what was to be removed, whatever these are', () => {
  const ids = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'))
  fc.assert(
    fc.property(ids, ids, ids, (had, add, remove) => {
      const now = assignedIds(has('UserAssigned', ...had))
      for (const { userAssignedIdentities } of identityPatches(has('UserAssigned', ...had), { add, remove })) {
        for (const [id, value] of Object.entries(userAssignedIdentities)) {
          if (value === null) now.delete(id)
          else now.add(id)
        }
      }
      const expected = new Set([...had.filter((id) => !remove.includes(id) || add.includes(id)), ...add])
      assert.deepEqual([...now].toSorted(), [...expected].toSorted())
    }),
  )
})
