import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseYaml, yamlBudget } from './parse-yaml.ts'

function errorOf(text: string): string {
  const parsed = parseYaml(text, yamlBudget())
  return 'error' in parsed ? parsed.error : assert.fail('the text is valid')
}

test('a line that is indented deeper than the one before is shown with it', () => {
  const error = errorOf('objectName: a\n objectType: secret\n')
  assert.match(
    error,
    /^line \d: wrong indentation: line 2 begins in column 2, line 1 in column 1: "objectName: a", " objectType: secret"$/,
  )
})

test('a line that is indented less than the block it belongs to is shown with the one before', () => {
  const error = errorOf('array:\n  - |\n    objectName: a\n\n   objectType: secret\n')
  assert.match(error, /: line 5 begins in column 4, line 3 in column 5: ".*objectName: a", " {3}objectType: secret"$/)
})

test('a line that is indented by a tab is shown', () => {
  assert.match(
    errorOf('array:\n  objectName:\n\t  a: b\n'),
    /: line 3 is indented by a tab; use spaces: "\\t {2}a: b"$/,
  )
})

test('an item of a list that begins in another column than the one before it is shown with that one', () => {
  const error = errorOf('array:\n  - |\n    objectName: a\n - |\n    objectName: b\n')
  assert.match(error, /: line 4 begins in column 2, line 2 in column 3: " {2}- \|", " - \|"$/)
})

test('only the beginning of a long line is shown, and an error of another kind has no hint', () => {
  assert.ok(errorOf(`objectName: ${'a'.repeat(1000)}\n objectType: secret\n`).length < 300)
  assert.doesNotMatch(errorOf('a: "'), /indentation/)
})
