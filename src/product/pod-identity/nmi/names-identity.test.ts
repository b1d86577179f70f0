import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matchesQuery, redact } from './names-identity.ts'

test('a query names an identity by its client id or its resource id, in any case, and never by one in place of the other', () => {
  const identity = { spec: { clientID: 'Client', resourceID: '/Resource' } }
  const matches = (query: object) => matchesQuery({ resource: '', clientId: '', resourceId: '', ...query }, identity)
  assert.deepEqual([{}, { clientId: 'client' }, { resourceId: '/resource' }].map(matches), [true, true, true])
  const others = [{ clientId: '/resource' }, { resourceId: 'client' }, { clientId: 'other' }]
  assert.deepEqual(others.map(matches), [false, false, false])
})

test('redact() shows the first and the last four characters of a text that has more', () => {
  assert.equal(redact('abcd1234-5678wxyz'), 'abcd##### REDACTED #####wxyz')
  assert.equal(redact('short'), '##### REDACTED #####')
})
