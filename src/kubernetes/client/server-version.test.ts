import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isAtLeast } from './server-version.ts'

for (const [what, major, minor, expected] of [
  ['exactly the version', '1', '32', true],
  ['a higher major version', '2', '0', true],
  ['a higher minor version', '1', '34', true],
  ['a minor version with a suffix', '1', '32+', true],
  ['a lower minor version', '1', '31', false],
  ['a lower major version', '0', '99', false],
] as const) {
  test(`${what} (${major}.${minor}) is ${expected ? '' : 'not '}at least 1.32`, () => {
    assert.equal(isAtLeast({ major, minor }, 32), expected)
  })
}

test('a server that does not report its version is older than any', () => {
  assert.equal(isAtLeast({}, 0), false)
})
