import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { textOf, wordOf } from '../../../test/support/text-of.ts'
import { escapeXml, parseXml, XmlError, xmlElement, xmlText } from './xml.ts'

const parse = (text: string) => parseXml('the document', text)

test('a document is parsed with attributes, entities, CDATA and comments', () => {
  const root = parse(
    '\ufeff<?xml version="1.0"?>\n<!-- one --><a x="1 &amp; 2" y=\'"\'>b&lt;&#65;&#x1F600;<!-- two --><![CDATA[<&]]><c/><d>\r\nt</d></a>\n',
  )
  assert.equal(root.name, 'a')
  assert.deepEqual({ ...root.attributes }, { x: '1 & 2', y: '"' })
  assert.equal(root.text, 'b<A😀<&')
  assert.equal(xmlText(root, 'c'), '')
  assert.equal(xmlText(root, 'd'), '\nt')
  assert.equal(xmlText(root, 'e'), undefined)
})

test('every text comes back from an element, carriage returns and quotes included', () => {
  const allowed = fc.string({ unit: 'binary' }).filter((text) => {
    try {
      return escapeXml(text) !== undefined
    } catch {
      return false
    }
  })
  fc.assert(
    fc.property(allowed, fc.array(allowed, { maxLength: 4 }), (text, more) => {
      const document = xmlElement('a', [xmlElement('b', text), ...more.map((each) => xmlElement('c', each))])
      const root = parse(document)
      assert.equal(xmlText(root, 'b'), text)
      assert.deepEqual(
        root.children.slice(1).map((child) => child.text),
        more,
      )
    }),
  )
})

test('what is not XML is refused with its place, and never quoted', () => {
  const cases = [
    ['', /line 1, column 1: expected </],
    ['<a>', /expected the end of the document element/],
    ['<a></b>', /expected the end of the open element/],
    ['<a/><b/>', /expected nothing after/],
    ['<a>&secret;</a>', /expected a known entity/],
    ['<a>&#0;</a>', /expected characters that XML can have/],
    ['<a>\u0001</a>', /expected characters/],
    ['<a x="1" x="2"/>', /expected each attribute once/],
    ['<a x="1"y="2"/>', /expected the end of a tag/],
    ['<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', /expected a document without document type/],
    ['<a\n>\n<', /line 3, column 2: expected a name/],
    ['</a>', /expected the end of the open element/],
  ] as const
  for (const [text, expected] of cases) {
    assert.throws(
      () => parse(text),
      (error) => error instanceof XmlError && expected.test(error.message) && !error.message.includes('secret'),
      text,
    )
  }
})

test('length, depth and number of elements are bounded', () => {
  const code = (code: string) => (error: unknown) => error instanceof XmlError && error.code === code
  assert.throws(() => parseXml('it', '<a>xxx</a>', { maxLength: 5 }), code('xml-too-large'))
  assert.throws(() => parse('<a>'.repeat(40)), code('xml-too-deep'))
  assert.throws(() => parse(`<a>${'<b/>'.repeat(10_000)}</a>`), code('xml-too-many-elements'))
})

test('no text makes the parser fail in another way', () => {
  const marks = wordOf('< > </ /> <a> </a> & ; &#x <![CDATA[ ]]> <!-- = "')
  const texts = textOf(fc.oneof(marks, fc.string()))
  fc.assert(
    fc.property(texts, (text) => {
      try {
        parse(text)
      } catch (error) {
        assert.ok(error instanceof XmlError, String(error))
      }
    }),
  )
})
