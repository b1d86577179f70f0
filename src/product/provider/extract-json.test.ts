import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseJsonPath } from '#lib/formats'
import { jsonExtractor } from './extract-json.ts'

const extractJson = (json: string, steps: readonly (string | number)[]) => jsonExtractor(json)(steps)

test('extractJson() gives characters of texts, and JSON of everything else with its digits', () => {
  const json = '{"a":"x\\n","n":12345678901234567890,"f":1.50,"b":true,"z":null,"o":{"k":[1.0,"s"]},"__proto__":"own"}'
  for (const [path, text] of [
    ['a', 'x\n'],
    ['n', '12345678901234567890'],
    ['f', '1.50'],
    ['b', 'true'],
    ['z', 'null'],
    ['o', '{"k":[1.0,"s"]}'],
    ['o.k[0]', '1.0'],
    ['__proto__', 'own'],
  ] as const) {
    assert.equal(extractJson(json, parseJsonPath(path) ?? []), text, path)
  }
  for (const path of ['missing', 'a.length', 'o.k[2]', 'o.k.length', 'constructor', 'n.source', 'z.x']) {
    assert.equal(extractJson(json, parseJsonPath(path) ?? []), undefined, path)
  }
  assert.throws(() => extractJson('planted', ['a']), /^Error: the value is not JSON$/)
})

test('extractJson() finds what was put there', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string(), { minLength: 1, maxLength: 4 }),
      fc.jsonValue({ noUnicodeString: false }),
      (steps, value) => {
        const json = JSON.stringify(
          steps.reduceRight<unknown>((inner, step) => Object.fromEntries([[step, inner]]), value),
        )
        assert.equal(extractJson(json, steps), typeof value === 'string' ? value : JSON.stringify(value))
      },
    ),
  )
})
