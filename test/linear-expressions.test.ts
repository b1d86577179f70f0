/** scripts/check-expressions.ts finds what it is meant to find. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reasonsAgainst } from '../scripts/linear-expressions.ts'

test('expressions whose time grows faster than their input are found', () => {
  for (const expression of [
    '/\\/+$/',
    '/\\s+$/',
    '/^(a+)+$/',
    '/^(?:a|a)*$/',
    '/^(?:a|aa)*$/',
    '/^\\s*(.*?)\\s*$/',
    '/<[^>]*>/',
    '/-----BEGIN[\\s\\S]*?-----END/',
    '/-----BEGIN ([A-Z]+)-----[^-]*-----END \\1-----/',
    '/"volumes":(\\d+),.*x/g',
    '/^BEGIN[\\s\\S]*?END/m',
  ]) {
    assert.notDeepEqual(reasonsAgainst(expression), [], expression)
  }
})

test('expressions that read each character once are accepted', () => {
  for (const expression of [
    '/^[a-z]+$/',
    '/^[a-z]+-[0-9]+$/',
    '/\\/+/y',
    '/[a-z]+/g',
    '/<[^<>]*>/',
    '/^BEGIN[\\s\\S]*?END/',
    '/BEGIN[\\s\\S]*/',
  ]) {
    assert.deepEqual(reasonsAgainst(expression), [], expression)
  }
})
