import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkSecret, newPassword } from './credentials.ts'

const now = Date.parse('2026-01-01T00:00:00Z')

test('newPassword() makes secrets that fit a command line', () => {
  for (let count = 0; count < 2000; count++) {
    assert.match(newPassword(now).secret, /^[A-Za-z0-9.~]{3}8Q~[A-Za-z0-9.~]{34}$/)
  }
})

test('checkSecret() prefers the password that is valid among those of the same secret', () => {
  const ended = newPassword(now, { startDateTime: '2024-01-01T00:00:00Z', endDateTime: '2025-01-01T00:00:00Z' }, 'same')
  const future = newPassword(now, { startDateTime: '2027-01-01T00:00:00Z' }, 'same')
  const valid = newPassword(now, {}, 'same')
  assert.equal(checkSecret([ended.password], 'same', now), 'expired')
  assert.equal(checkSecret([future.password], 'same', now), 'wrong')
  assert.equal(checkSecret([ended.password, valid.password], 'same', now), 'valid')
  assert.equal(checkSecret([valid.password], 'other', now), 'wrong')
})
