import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fail, fine, notKnown, tableOf, warn } from './step.ts'

test('the steps after the first that is wrong are not reached, and those that do not apply are not in the table', () => {
  const table = tableOf({
    V2: [fine('there')],
    K1: [fine('right')],
    I9: [fail('vault-forbidden', 'no role', ['az role']), fine('another')],
    K3: [warn('mounted-by-subpath', 'pinned')],
  })
  assert.deepEqual(
    table.map(({ id, state }) => `${id} ${state}`),
    ['K1 ok', 'K3 warn', 'I9 fail', 'V2 not-reached'],
  )
  assert.deepEqual(table[2], {
    id: 'I9',
    title: 'rights on the vault',
    state: 'fail',
    code: 'vault-forbidden',
    found: 'no role',
    fix: ['az role'],
  })
})

test('a step that could not be checked does not end the way, and hides nothing that is worse', () => {
  const [first, second] = tableOf({
    K1: [notKnown('no right'), fine('half')],
    K2: [notKnown('no right'), warn('version-skew', 'two')],
  })
  assert.equal(first?.state, 'unknown')
  assert.equal(second?.state, 'warn')
})
