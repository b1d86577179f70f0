import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pathOf, resources } from './resources.ts'

test('a name is one segment of the path, whatever it is', () => {
  assert.equal(pathOf(resources.secrets, { namespace: 'a', name: 'b' }), '/api/v1/namespaces/a/secrets/b')
  assert.equal(pathOf(resources.secrets, { namespace: 'a/..', name: 'b?c' }), '/api/v1/namespaces/a%2F../secrets/b%3Fc')
  for (const name of ['.', '..']) {
    assert.throws(() => pathOf(resources.secrets, { namespace: name }), /as a name, expected lower case letters/)
    assert.throws(() => pathOf(resources.secrets, { namespace: 'a', name }), /as a name, expected lower case letters/)
  }
})
