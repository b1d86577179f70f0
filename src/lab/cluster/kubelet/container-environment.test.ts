import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { expandVariables, hostnameOf } from './container-environment.ts'

const environment = new Map([
  ['A', 'a'],
  ['EMPTY', ''],
  ['NESTED', '$(A)'],
])

test('expandVariables() replaces names that it knows, once, and leaves the rest', () => {
  const cases: Record<string, string> = {
    '$(A)-$(A)': 'a-a',
    'x$(EMPTY)x': 'xx',
    '$(NESTED)': '$(A)',
    '$(UNKNOWN) $A $(A': '$(UNKNOWN) $A $(A',
    '$$(A) $$$(A) $$': '$(A) $a $',
  }
  for (const [text, expected] of Object.entries(cases)) assert.equal(expandVariables(text, environment), expected)
})

test('expandVariables() changes nothing without a dollar sign', () => {
  fc.assert(
    fc.property(
      fc.string().filter((text) => !text.includes('$')),
      (text) => expandVariables(text, environment) === text,
    ),
  )
})

test('hostnameOf() gives a name that the kernel takes', () => {
  assert.equal(hostnameOf('app'), 'app')
  assert.equal(hostnameOf(`${'a'.repeat(62)}-b`), 'a'.repeat(62))
})
