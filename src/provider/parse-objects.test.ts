import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { stringify } from 'yaml'
import type { Problem } from '../lib/index.ts'
import { parseObject } from './parse-object.ts'
import { createObjectsParser, parseObjects, type RawObject } from './parse-objects.ts'

function parse(text: string): { objects: readonly RawObject[]; problems: string[] } {
  const problems: Problem[] = []
  const objects = parseObjects(text, problems)
  return { objects, problems: problems.map(({ message }) => message) }
}

function texts(object: RawObject | undefined): Record<string, string> {
  return Object.fromEntries(
    [...(object?.fields ?? [])].map(([name, value]) => [name, value.kind === 'scalar' ? value.text : value.kind]),
  )
}

test('scalars arrive as they are written', () => {
  for (const written of [
    '0755',
    '1e5',
    'true',
    '2020-01-01',
    '0x1F',
    '1_000',
    '00000000000000000000000000000012',
    'null_',
    'yes',
    '.5',
    '-0',
  ]) {
    const { objects, problems } = parse(`array:\n  - |\n    objectName: ${written}\n`)
    assert.deepEqual([problems, texts(objects[0])], [[], { objectName: written }])
  }
})

test('nothing, in any of its spellings, is an empty text', () => {
  for (const written of ['', '~', 'null', 'Null', 'NULL', '""', "''", '   # nothing']) {
    const problems: Problem[] = []
    const [raw] = parseObjects(
      `array:\n  - |\n    objectName: db\n    objectType: secret\n    objectVersion: ${written}\n    objectVersionHistory: ${written.startsWith("'") || written.startsWith('"') ? '~' : written}\n`,
      problems,
    )
    const spec = raw === undefined ? undefined : parseObject(raw, problems)
    assert.deepEqual([problems, spec?.version, spec?.history], [[], '', 1])
  }
})

test('anchors, aliases, merge keys, quoted scalars and binaries mean what YAML says', () => {
  const { objects, problems } = parse(`
array:
  - "objectName: quoted\\nobjectType: secret\\n"
  - |
    base: &base {objectType: secret, objectAlias: &alias shared}
    <<: *base
    objectName: merged
  - |
    objectName: !!binary ZGI=
    objectType: key
---
second: document
`)
  assert.deepEqual(problems, [])
  assert.deepEqual(objects.map(texts), [
    { objectName: 'quoted', objectType: 'secret' },
    { objectType: 'secret', objectAlias: 'shared', base: 'map', objectName: 'merged' },
    { objectName: 'db', objectType: 'key' },
  ])
})

test('an alias that multiplies or contains itself is refused quickly', () => {
  const bomb = `array:\n  - &a ["x","x"]\n${Array.from(
    { length: 30 },
    (_, i) =>
      `  - &a${i} [${Array(9)
        .fill(i === 0 ? '*a' : `*a${i - 1}`)
        .join(',')}]`,
  ).join('\n')}`
  assert.ok(parse(bomb).problems.length > 0)
  assert.ok(parse('array:\n  - &a [*a]\n').problems.length > 0)
})

test('numbers of versions are those of Go', () => {
  for (const [written, history] of [
    ['3', 3],
    ['0', 1],
    ['-5', 1],
    ['2.9', 2],
    ['0x10', 16],
    ['0o17', 15],
    ['017', 15],
    ['1_0', 10],
    ['1e1', 10],
  ] as const) {
    const problems: Problem[] = []
    const [raw] = parseObjects(
      `array:\n  - |\n    objectName: db\n    objectType: secret\n    objectVersionHistory: ${written}\n`,
      problems,
    )
    assert.deepEqual([raw && parseObject(raw, problems)?.history, problems], [history, []], written)
  }
  for (const written of ['"5"', 'many', '2147483648', '[1]', '{a: 1}']) {
    const problems: Problem[] = []
    const [raw] = parseObjects(
      `array:\n  - |\n    objectName: db\n    objectType: secret\n    objectVersionHistory: ${written}\n`,
      problems,
    )
    assert.equal(raw && parseObject(raw, problems), undefined)
    assert.match(problems[0]?.message ?? '', /into int32/, written)
  }
})

const printable = fc.string({ unit: 'grapheme', maxLength: 30 }).filter((text) => !/[\p{C}\ufffd]/u.test(text))
const field = fc.record(
  { objectName: printable, objectAlias: printable, objectVersion: printable },
  { noNullPrototype: true },
)

test('whatever a YAML writer makes of objects is read back, nested and plain', () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 4 }), (fields) => {
      const nested = stringify({ array: fields.map((one) => stringify(one, { defaultStringType: 'QUOTE_DOUBLE' })) })
      const plain = stringify(fields, { defaultStringType: 'QUOTE_DOUBLE' })
      for (const text of [nested, plain]) {
        const { objects, problems } = parse(text)
        assert.deepEqual([problems, objects.map(texts)], [[], fields])
      }
    }),
  )
})

test('no text makes the parser throw or hang, and remembering changes nothing', () => {
  const remembering = createObjectsParser()
  const word = fc.constantFrom(
    'array:',
    '\n',
    '  ',
    '- ',
    '|',
    '>',
    '&a',
    '*a',
    '<<:',
    '{',
    '}',
    '[',
    ']',
    '"',
    "'",
    '!!binary ',
    'objectName: x',
    ': ',
    '#',
    '---',
    '\t',
    '\u0000',
    '💥',
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(word, fc.string({ maxLength: 5 })), { maxLength: 30 }), (words) => {
      const text = words.join('')
      const first = parse(text)
      for (let i = 0; i < 2; i++) {
        const problems: Problem[] = []
        assert.deepEqual(remembering(text, problems), first.objects)
        assert.deepEqual(
          problems.map(({ message }) => message),
          first.problems,
        )
      }
    }),
    { numRuns: 500 },
  )
})
