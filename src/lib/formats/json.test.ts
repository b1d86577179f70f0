import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { JsonError, parseJson } from './json.ts'
import { findJsonFault } from './json-fault.ts'

function errorOf(text: string | Uint8Array, limits = {}): JsonError {
  try {
    parseJson('the text', text, limits)
  } catch (error) {
    assert.ok(error instanceof JsonError)
    return error
  }
  throw new Error('nothing was thrown')
}

test('parseJson() gives the same value as JSON.parse, from text and from bytes', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      const json = JSON.stringify(value, null, 2)
      assert.deepEqual(parseJson('it', json), JSON.parse(json))
      assert.deepEqual(parseJson('it', Buffer.from(json)), JSON.parse(json))
    }),
  )
})

test('values are counted before anything is parsed: those of a text that has too many take no memory', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      const json = JSON.stringify(value)
      const count = countOf(value)
      if (json.length > count) assert.deepEqual(parseJson('it', json, { maxValues: 2 * count }), JSON.parse(json))
      if (count > 1 && json.length >= count)
        assert.equal(errorOf(json, { maxValues: count / 2 - 1 }).code, 'json-too-many-values')
    }),
  )
  const { code, message } = errorOf(`[${'{},'.repeat(1_000_000)}{}]`, { maxValues: 1000 })
  assert.deepEqual([code, message], ['json-too-many-values', 'the text has more than the 1000 values allowed'])
  assert.equal(typeof parseJson('it', JSON.stringify('[{,'.repeat(10_000)), { maxValues: 1 }), 'string')
})

function countOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1
  return Object.values(value).reduce<number>((sum, one) => sum + countOf(one), 1)
}

test('an error names position and kind of the first fault', () => {
  const cases: [text: string, fault: string][] = [
    ['', 'line 1, column 1: found an empty text, expected a value'],
    ['\n \n', 'line 3, column 1: found an empty text, expected a value'],
    ['planted', 'line 1, column 1: found a letter, expected a value'],
    ['\uFEFF{}', 'line 1, column 1: found a byte order mark, expected a value'],
    ['{"a": 1,}', 'line 1, column 9: found a closing brace, expected a name in quotes'],
    ['{a: 1}', 'line 1, column 2: found a letter, expected a name in quotes or a closing brace'],
    ['{"a" 1}', 'line 1, column 6: found a digit, expected a colon'],
    ['{"a": 1 "b": 2}', 'line 1, column 9: found a quote, expected a comma or a closing brace'],
    ['[1,\n 2,\n]', 'line 3, column 1: found a closing bracket, expected a value'],
    ['[1, 2', 'line 1, column 6: found the end of the text, expected a comma or a closing bracket'],
    ['[,]', 'line 1, column 2: found a comma, expected a value or a closing bracket'],
    ["{'a': 1}", 'line 1, column 2: found a single quote, expected a name in quotes or a closing brace'],
    ['"abc', 'line 1, column 5: found the end of the text, expected a closing quote'],
    ['"a\nb"', 'line 1, column 3: found a line break, expected an escape sequence instead'],
    ['"\\x41"', 'line 1, column 3: found a letter, expected an escape sequence'],
    ['"\\u00g0"', 'line 1, column 6: found a letter, expected four hexadecimal digits'],
    ['01', 'line 1, column 2: found a digit, expected the end of the text'],
    ['-', 'line 1, column 2: found the end of the text, expected a digit'],
    ['1.e3', 'line 1, column 3: found a letter, expected a digit'],
    ['{} {}', 'line 1, column 4: found an opening brace, expected the end of the text'],
    ['tru', 'line 1, column 1: found a letter, expected a value'],
    ['[NaN]', 'line 1, column 2: found a letter, expected a value or a closing bracket'],
  ]
  for (const [text, fault] of cases) {
    assert.equal(errorOf(text).message, `the text is not valid JSON: ${fault}`)
    assert.equal(errorOf(text).code, 'json-invalid')
  }
})

/** JSON texts that were damaged at one place, and other near misses. */
const damagedJson = fc
  .tuple(fc.json({ maxDepth: 4 }), fc.nat(), fc.string({ maxLength: 3 }), fc.nat({ max: 3 }))
  .map(([json, at, insert, remove]) => {
    const start = at % (json.length + 1)
    return json.slice(0, start) + insert + json.slice(start + remove)
  })

test('the fault lies where V8 finds it, or at the beginning of the misspelt word', () => {
  fc.assert(
    fc.property(fc.oneof(damagedJson, fc.string(), punctuation), (text) => {
      const message = faultOfV8(text)
      if (message === undefined) return void parseJson('it', text)
      const { line, column } = findJsonFault(text)
      const lines = text.split('\n').slice(0, line)
      const position = lines.slice(0, -1).join('\n').length + (line > 1 ? 1 : 0) + column - 1
      assert.ok(position >= 0 && position <= text.length)
      // Not all messages of V8 hold a position.
      const expected = Number(/ position (\d+)/.exec(message)?.[1] ?? position)
      assert.match(text.slice(position, expected), /^$|^t(r(ue?)?)?$|^f(a(l(se?)?)?)?$|^n(u(ll?)?)?$/)
      assert.throws(() => parseJson('it', text), JsonError)
    }),
    { numRuns: 3000 },
  )
})

const punctuation = fc.string({ unit: fc.constantFrom(...'{}[]:,"\\u0e-. \nt1') })

function faultOfV8(text: string): string | undefined {
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

test('no error quotes the text', () => {
  // Characters that no message of ours contains.
  const secret = fc.string({ unit: fc.constantFrom(...'ÄÖÜ§€@#0987'), minLength: 4, maxLength: 40 })
  fc.assert(
    fc.property(secret, fc.constantFrom('', '{', '{"', '["', '{"a":', '"\\'), (text, before) => {
      const error = errorOf(`${before}${text}\n`, {})
      const shown = `${error.message} ${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`
      for (let i = 0; i + 4 <= text.length; i++) assert.ok(!shown.includes(text.slice(i, i + 4)), shown)
    }),
  )
})

test('a text that is too long or nests too deep is refused before it is parsed', () => {
  const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
  assert.deepEqual(parseJson('it', deep(3), { maxDepth: 3 }), [[[]]])
  assert.equal(errorOf(deep(4), { maxDepth: 3 }).message, 'the text nests deeper than the 3 levels allowed')
  assert.equal(errorOf('{"a":'.repeat(129)).code, 'json-too-deep')
  assert.equal(errorOf('['.repeat(1_000_000)).code, 'json-too-deep')
  assert.equal(parseJson('it', JSON.stringify('["\\'.repeat(500))), '["\\'.repeat(500))
  assert.equal(errorOf('[1, 2]', { maxLength: 5 }).message, 'the text has 6 characters, more than the 5 allowed')
  assert.equal(errorOf(Buffer.from('"ä"'), { maxLength: 3 }).message, 'the text has 4 bytes, more than the 3 allowed')
})
