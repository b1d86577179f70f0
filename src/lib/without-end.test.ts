import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutEnd } from './without-end.ts'

test('withoutEnd() removes every one of the characters at the end, and no others', () => {
  assert.equal(withoutEnd('https://a.b//', '/'), 'https://a.b')
  assert.equal(withoutEnd('a/b', '/'), 'a/b')
  assert.equal(withoutEnd('C:\\a\\/', '\\/'), 'C:\\a')
  assert.equal(withoutEnd('///', '/'), '')
  assert.equal(withoutEnd('', '/'), '')
})
