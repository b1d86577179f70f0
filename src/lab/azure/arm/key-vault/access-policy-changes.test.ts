import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AccessPolicy } from '../../keyvault/vaults.ts'
import { accessPolicyChanges } from './access-policy-changes.ts'

const policy = (objectId: string, secrets: string[]): AccessPolicy => ({
  tenantId: 't',
  objectId,
  permissions: { secrets },
})

function change(name: string, before: AccessPolicy[], given: AccessPolicy[]) {
  const after = accessPolicyChanges.get(name)?.(before, given) ?? []
  return after.map(({ objectId, permissions }) => [objectId, permissions.secrets])
}

test('add extends the permissions of a principal and leaves the others', () => {
  const before = [policy('a', ['get']), policy('b', ['get'])]
  assert.deepEqual(change('add', before, [policy('A', ['Get', 'list']), policy('c', ['set'])]), [
    ['a', ['get', 'list']],
    ['b', ['get']],
    ['c', ['set']],
  ])
})

test('replace sets exactly the new permissions of a principal', () => {
  assert.deepEqual(change('replace', [policy('a', ['get']), policy('b', ['get'])], [policy('a', ['set'])]), [
    ['b', ['get']],
    ['a', ['set']],
  ])
})

test('remove takes permissions away, in any case, and the principal with its last one', () => {
  const before = [policy('a', ['Get', 'list']), policy('b', ['get'])]
  assert.deepEqual(change('remove', before, [policy('a', ['get']), policy('b', ['GET'])]), [['a', ['list']]])
})
