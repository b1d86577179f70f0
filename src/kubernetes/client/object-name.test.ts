import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isObjectName } from './object-name.ts'

test('isObjectName() takes what the API server takes as the name of an object', () => {
  for (const name of ['a', 'app', 'app-tls', 'a--b', '1.2', 'shop.app-1', 'a'.repeat(253)])
    assert.ok(isObjectName(name), name)
  for (const name of ['', 'App', '-a', 'a-', 'a..b', '.a', 'a.', 'a_b', 'a/b', 'ä', 'a.-b', 'a'.repeat(254)])
    assert.ok(!isObjectName(name), name)
})
