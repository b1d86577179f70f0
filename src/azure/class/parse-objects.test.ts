import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { Problems } from '#lib'
import { parseEntries, type RawObject } from './parse-entries.ts'
import { createObjectsParser, parseObjects } from './parse-objects.ts'

function parse(text: string): { objects: readonly RawObject[]; problems: string[] } {
  const problems = new Problems()
  const objects = parseEntries(text, problems)
  return { objects, problems: problems.list.map(({ message }) => message) }
}

function texts(object: RawObject | undefined): Record<string, string> {
  return Object.fromEntries(
    [...(object?.fields ?? [])].map(([name, value]) => [name, value.kind === 'scalar' ? value.text : value.kind]),
  )
}

test('anchors, aliases, merge keys, quoted scalars and binaries have the meaning of YAML', () => {
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
      const problems = new Problems()
      const objects = parseObjects(text, problems)
      for (let i = 0; i < 2; i++) {
        const again = new Problems()
        assert.deepEqual(remembering(text, again), objects)
        assert.deepEqual(again.list, problems.list)
      }
    }),
    { numRuns: 500 },
  )
})

test('hints at misspelt fields end once the problems are full', () => {
  const fields = Array.from({ length: 25 }, (_, index) => `  objectAlias${index}: 1`).join('\n')
  const problems = new Problems()
  parseObjects(`- |\n${fields}\n`.repeat(100), problems)
  assert.ok(problems.list.some(({ message }) => message.includes('did you mean objectAlias?')))
  assert.ok(problems.count < 1000, `${problems.count} problems`)
})
