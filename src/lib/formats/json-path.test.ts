import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseJsonPath } from './json-path.ts'

test('parseJsonPath() reads the paths that name one value, and nothing else', () => {
  assert.deepEqual(parseJsonPath('$.db.user'), ['db', 'user'])
  assert.deepEqual(parseJsonPath('db.user'), ['db', 'user'])
  assert.deepEqual(parseJsonPath("$['odd.name'].list[10]"), ['odd.name', 'list', 10])
  assert.deepEqual(parseJsonPath('["it\'s \\"x\\""]'), ['it\'s "x"'])
  for (const text of ['', '$', '$.', '$..a', '$.*', '$[*]', '$[-1]', '$[1', 'a b', "$['a", '$.a[?(@.b)]']) {
    assert.equal(parseJsonPath(text), undefined, text)
  }
})
