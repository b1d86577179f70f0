import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseChallenges } from './challenge.ts'

test('every scheme of a header is read with its parameters', () => {
  assert.deepEqual(
    parseChallenges(
      'Bearer realm="https://auth.example/token?a=1,2",service="a \\"b\\"" , scope=x:y:pull, Basic realm="all"',
    ),
    [
      {
        scheme: 'bearer',
        parameters: { realm: 'https://auth.example/token?a=1,2', service: 'a "b"', scope: 'x:y:pull' },
      },
      { scheme: 'basic', parameters: { realm: 'all' } },
    ],
  )
  assert.deepEqual(parseChallenges('Negotiate'), [{ scheme: 'negotiate', parameters: {} }])
  assert.deepEqual(parseChallenges(''), [])
})

test('any parameters of one scheme are read back', () => {
  const name = fc.stringMatching(/^[a-z]{1,8}$/)
  const parameters = fc.dictionary(name, fc.string({ unit: fc.constantFrom(...'ab:/?=, ."\\') }), { maxKeys: 5 })
  fc.assert(
    fc.property(parameters, (given) => {
      const pairs = Object.entries(given).map(([key, value]) => `${key}="${value.replace(/["\\]/g, '\\$&')}"`)
      const [challenge] = parseChallenges(`Bearer ${pairs.join(',')}`)
      assert.deepEqual({ ...challenge?.parameters }, { ...given })
    }),
  )
})

test('no header throws, and none is read for long', () => {
  fc.assert(fc.property(fc.string({ maxLength: 500 }), (text) => void parseChallenges(text)))
  assert.ok(parseChallenges('a="'.repeat(100_000)).length < 10_000)
})
