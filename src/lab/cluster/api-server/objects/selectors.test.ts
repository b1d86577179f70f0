import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApiObject } from '../api-object.ts'
import { parseFieldSelector, parseLabelSelector, selectorMatches } from './selectors.ts'

const object = (labels: Record<string, string>, fields = {}): ApiObject => ({
  ...{ apiVersion: 'v1', kind: 'Thing', metadata: { name: 'x', labels }, ...fields },
})

test('a label selector is parsed as kubectl writes it', () => {
  const labels = { app: 'a', 'example.com/tier': 'front', empty: '' }
  const rows: [string, boolean][] = [
    ['', true],
    ['app', true],
    ['!app', false],
    ['app=a', true],
    ['app==a', true],
    ['app = a , example.com/tier in (back, front)', true],
    ['app!=a', false],
    ['other!=a', true],
    ['empty=', true],
    ['app notin (b,c)', true],
    ['other notin (b)', true],
    ['app in (b)', false],
    ['app=a,!empty', false],
  ]
  for (const [text, expected] of rows) assert.equal(parseLabelSelector(text)(object(labels)), expected, text)
  for (const text of ['app in', 'a b', '=x', 'app in (a', 'app=a=b']) {
    assert.throws(() => parseLabelSelector(text), /unable to parse requirement/, text)
  }
})

test('a field selector compares texts, also of absent fields', () => {
  const fields = ['spec.nodeName', 'status.phase']
  const one = object({}, { status: { phase: 'a,b' } })
  const matches = (text: string) => parseFieldSelector(text, fields)(one)
  assert.equal(matches('spec.nodeName='), true)
  assert.equal(matches('spec.nodeName!=n1'), true)
  assert.equal(matches('status.phase=a\\,b,spec.nodeName='), true)
  assert.throws(() => matches('spec.other=1'), /field label not supported: spec\.other/)
  assert.throws(() => matches('status.phase'), /invalid field selector/)
})

test('a selector object joins its labels and its expressions', () => {
  const selector = {
    matchLabels: { app: 'a' },
    matchExpressions: [
      { key: 'tier', operator: 'In', values: ['front', 'back'] },
      { key: 'old', operator: 'DoesNotExist' },
    ],
  }
  assert.equal(selectorMatches(selector, { app: 'a', tier: 'front' }), true)
  assert.equal(selectorMatches(selector, { app: 'a', tier: 'front', old: '' }), false)
  assert.equal(selectorMatches(selector, { app: 'a' }), false)
  assert.equal(selectorMatches({}, { any: 'thing' }), true)
})
