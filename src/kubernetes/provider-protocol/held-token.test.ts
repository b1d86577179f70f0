import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { heldTokenText, parseHeldToken } from './held-token.ts'

test('a token that is held is read as it was written, under a name that does not show the identity', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 999_999_999 }), (key, ms) => {
      const text = heldTokenText(key, ms + 0.5)
      assert.match(text, /^[0-9a-f]{32}:\d+$/)
      assert.equal(parseHeldToken(text)?.ms, ms)
    }),
  )
  assert.equal(heldTokenText('a', 1).slice(0, 32), heldTokenText('a', 999).slice(0, 32))
  assert.notEqual(heldTokenText('a', 1), heldTokenText('b', 1))
})

test('any other text gives undefined', () => {
  for (const text of [
    '',
    heldTokenText('me', 0),
    undefined,
    5,
    ':5',
    `${'a'.repeat(32)}:`,
    `${'a'.repeat(32)}:-5`,
    `${'a'.repeat(32)}:1e3`,
  ])
    assert.equal(parseHeldToken(text), undefined, String(text))
  fc.assert(fc.property(fc.string(), (text) => assert.equal(parseHeldToken(text), undefined)))
})
