import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasNativeSidecars } from './native-sidecars.ts'

for (const [what, major, minor, expected] of [
  ['exactly the version', '1', '32', true],
  ['a higher major version', '2', '0', true],
  ['a higher minor version', '1', '34', true],
  ['a minor version with a suffix', '1', '32+', true],
  ['a lower minor version', '1', '31', false],
  ['a lower major version', '0', '99', false],
] as const) {
  test(`${what} (${major}.${minor}) has ${expected ? '' : 'no '}native sidecars`, () => {
    assert.equal(hasNativeSidecars({ major, minor }), expected)
  })
}

test('a server that does not report its version has no sidecars', () => {
  assert.equal(hasNativeSidecars({}), false)
})
