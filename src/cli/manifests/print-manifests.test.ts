import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parse, parseAllDocuments } from 'yaml'
import { editManifest, printList, printManifests } from './print-manifests.ts'

test('objects are printed as documents with their comments, texts of several lines as blocks', () => {
  const text = printManifests([
    { object: { kind: 'A', text: 'one\ntwo\n' }, comment: 'Of the shop.\nSecond line' },
    { object: { kind: 'B', list: [{ a: 1 }] } },
  ])
  assert.equal(text, '# Of the shop.\n# Second line\nkind: A\ntext: |\n  one\n  two\n---\nkind: B\nlist:\n  - a: 1\n')
})

test('what kubectl would take for a boolean, a number or nothing stays a text', () => {
  for (const word of ['yes', 'no', 'on', 'off', 'y', 'true', 'null', '~', '0123', '1e3', '0x1f', '1_000', '1:30', ''])
    for (const version of ['1.1', '1.2'] as const) {
      const text = printManifests([{ object: { word } }])
      assert.deepEqual(parse(text, { version }), { word }, text)
    }
})

test('a comment cannot become part of the document', () => {
  const text = printManifests([{ object: { kind: 'A' }, comment: 'one\u2028two\u0085kind: B\r\nkind: C' }])
  assert.deepEqual(parseAllDocuments(text).length, 1)
  assert.deepEqual(parse(text), { kind: 'A' })
})

const ends = ['\u0085', '\u2028', '\u2029']
const injected = (end: string) => ['x', 'kind: Evil', '---', 'kind: Evil', ''].join(end)

/** kubectl reads YAML 1.1, in which these characters end a line. */
function readAsKubectl(text: string): unknown[] {
  return parseAllDocuments(text.replaceAll(/[\u0085\u2028\u2029]/g, '\n')).map((one) => one.toJS())
}

test('no text, name, comment or list entry can end a line for kubectl, which reads YAML 1.1', () => {
  for (const end of ends) {
    const text = injected(end)
    const object = { kind: 'A', plain: text, block: `one\n${text}\n`, [`key${text}`]: [text] }
    assert.deepEqual(readAsKubectl(printManifests([{ object, comment: text }])), [object])
    const list = printList([{ fields: { objectName: text, select: { tags: { [text]: text } } }, comment: text }])
    assert.deepEqual(readAsKubectl(list), [[{ objectName: text, select: { tags: { [text]: text } } }]])
    const manifest = `# ${text}\nkind: A\nblock: |\n  ${text}\nplain: x${end}y\n`
    const edited = editManifest(manifest, [{ path: ['more'], value: text }])
    assert.deepEqual(readAsKubectl(edited), [{ kind: 'A', block: `${text}\n`, plain: `x${end}y`, more: text }])
  }
})

test('no printed manifest has a character that kubectl does not accept', () => {
  for (const character of ['\x7f', '\x80', '\x9f', '\ufeff', '\ufffe', '\uffff']) {
    const object = { kind: 'A', text: `a${character}b`, [`a${character}`]: 'x' }
    const text = printManifests([{ object }])
    assert.ok(!text.includes(character))
    assert.deepEqual(parse(text), object)
  }
})

test('an edit keeps comments, order and style of everything else', () => {
  const text = '# head\napiVersion: old/v1 # group\nkind: A\nspec:\n  # why\n  list: [1, 2]\n'
  assert.equal(
    editManifest(text, [
      { path: ['apiVersion'], value: 'new/v1' },
      { path: ['spec', 'name'], value: 'x' },
    ]),
    '# head\napiVersion: new/v1 # group\nkind: A\nspec:\n  # why\n  list: [ 1, 2 ]\n  name: x\n',
  )
  assert.equal(editManifest(text, []), text)
})

test('a list for a parameter of a class has its comments above its entries', () => {
  const text = printList([
    { fields: { objectName: 'a', select: { all: true } }, comment: 'first' },
    { fields: { b: 'yes' } },
  ])
  assert.equal(text, '# first\n- objectName: a\n  select:\n    all: true\n- b: yes\n')
})

test('any object comes back as it was', () => {
  const value = fc.jsonValue({ maxDepth: 4 })
  fc.assert(
    fc.property(fc.dictionary(fc.string(), value, { noNullPrototype: true }), fc.string(), (object, comment) => {
      const json = JSON.parse(JSON.stringify(object)) as Record<string, unknown>
      assert.deepEqual(parse(printManifests([{ object: json, comment }]), { maxAliasCount: -1 }), json)
    }),
    { numRuns: 300 },
  )
})
