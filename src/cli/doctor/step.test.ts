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

test('a code is named once: in front of the text, and of each text where they differ', () => {
  const missing = fail('vault-missing', 'volume "s": [vault-missing] no vault x')
  assert.deepEqual(
    tableOf({ K3: [missing] }).map(({ code, found }) => [code, found]),
    [['vault-missing', 'volume "s": no vault x']],
  )
  const [step] = tableOf({ K3: [missing, fail('vault-forbidden', 'a/b waits')] })
  assert.equal(step?.found, '[vault-missing] volume "s": no vault x; [vault-forbidden] a/b waits')
})

test('a summary does not stop at the first step that is wrong', () => {
  const observed = { K3: [fail('vault-missing', 'x')], D1: [fail('rotation-failing', 'y')] }
  assert.deepEqual(
    tableOf(observed, false).map(({ state }) => state),
    ['fail', 'fail'],
  )
  assert.deepEqual(
    tableOf(observed).map(({ state }) => state),
    ['fail', 'not-reached'],
  )
})
