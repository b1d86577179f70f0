import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { textOf, wordOf } from '../../../test/support/text-of.ts'
import { ImdsRefusal } from './imds-refusal.ts'
import { parseRequestTarget } from './request-target.ts'

test('parseRequestTarget() gives path and query in origin form, whatever host the target names', () => {
  const rows: [string, { text: string; path: string; query: string }][] = [
    ['/a/b?c=d', { text: '/a/b?c=d', path: '/a/b', query: 'c=d' }],
    ['/a//b', { text: '/a//b', path: '/a//b', query: '' }],
    ['//other.example/a', { text: '//other.example/a', path: '//other.example/a', query: '' }],
    ['http://169.254.169.254/a?b', { text: '/a?b', path: '/a', query: 'b=' }],
    ['HTTPS://other.example?b=c', { text: '/?b=c', path: '/', query: 'b=c' }],
    ['http://user@other.example:80', { text: '/', path: '/', query: '' }],
    ['/a#b?c', { text: '/a#b?c', path: '/a', query: 'b%3Fc=' }],
  ]
  for (const [target, expected] of rows) {
    const { text, path, query } = parseRequestTarget(target)
    assert.deepEqual({ text, path, query: query.toString() }, expected, target)
  }
})

test('parseRequestTarget() refuses other forms, and a target beyond the limit, which it names', () => {
  for (const target of ['', '*', 'a/b', 'ftp://host/a', 'host:443']) {
    assert.throws(
      () => parseRequestTarget(target),
      (error) => error instanceof ImdsRefusal && error.status === 400,
      target,
    )
  }
  assert.equal(parseRequestTarget(`/${'a'.repeat(2047)}`).text.length, 2048)
  assert.throws(
    () => parseRequestTarget(`/${'a'.repeat(2048)}`),
    (error) => error instanceof ImdsRefusal && error.status === 414 && /at most 2,048 characters/.test(error.message),
  )
})

test('what parseRequestTarget() returns begins with a slash and has no host', () => {
  fc.assert(
    fc.property(textOf(wordOf('http:// HTTP:// host @ :80 / // ? # \\ a %2f')), (target) => {
      try {
        const { text, path } = parseRequestTarget(target)
        assert.match(text, /^\//)
        assert.ok(text.startsWith(path) && !/[?#]/.test(path))
        assert.ok(text === '/' || target.endsWith(text.slice(1)))
      } catch (error) {
        assert.ok(error instanceof ImdsRefusal, String(error))
      }
    }),
  )
})
