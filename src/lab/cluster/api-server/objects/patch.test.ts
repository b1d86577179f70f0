import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ListKeys } from '../kinds/list-keys.ts'
import { jsonPatch, mergePatch, strategicPatch } from './patch.ts'

const keysOf: ListKeys = (path) => ({ containers: ['name'], env: ['name'] })[path.at(-1) ?? '']
const strategic = (target: unknown, patch: unknown) => strategicPatch(target, patch, keysOf)

test('mergePatch() gives the results of the table in RFC 7396, appendix A', () => {
  const rows: [unknown, unknown, unknown][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ]
  for (const [target, patch, expected] of rows) assert.deepEqual(mergePatch(target, patch), expected)
})

test('mergePatch() with the same patch again changes nothing, and never changes its input', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (target, patch) => {
      const before = structuredClone(target)
      const once = mergePatch(target, patch)
      assert.deepEqual(mergePatch(once, patch), once)
      assert.deepEqual(target, before)
    }),
  )
})

test('jsonPatch() implements the six operations of RFC 6902', () => {
  const rows: [unknown, object, unknown][] = [
    [{ a: 1 }, { op: 'add', path: '/b', value: 2 }, { a: 1, b: 2 }],
    [{ a: [1, 3] }, { op: 'add', path: '/a/1', value: 2 }, { a: [1, 2, 3] }],
    [{ a: [1] }, { op: 'add', path: '/a/-', value: 2 }, { a: [1, 2] }],
    [{ a: [1, 2] }, { op: 'remove', path: '/a/0' }, { a: [2] }],
    [{ a: 1 }, { op: 'replace', path: '/a', value: { b: 2 } }, { a: { b: 2 } }],
    [{ a: 1 }, { op: 'replace', path: '', value: [] }, []],
    [{ a: { b: 1 } }, { op: 'move', from: '/a/b', path: '/c' }, { a: {}, c: 1 }],
    [{ a: { b: 1 } }, { op: 'copy', from: '/a', path: '/c' }, { a: { b: 1 }, c: { b: 1 } }],
    [{ 'a/b': { '~': 1 } }, { op: 'replace', path: '/a~1b/~0', value: 2 }, { 'a/b': { '~': 2 } }],
    [{ a: { b: 1 } }, { op: 'test', path: '/a', value: { b: 1 } }, { a: { b: 1 } }],
  ]
  for (const [document, operation, expected] of rows) {
    assert.deepEqual(jsonPatch(structuredClone(document), [operation]), expected)
  }
})

test('jsonPatch() refuses a path that leads nowhere and a test that fails', () => {
  const rows: [object, RegExp][] = [
    [{ op: 'remove', path: '/b' }, /the path \/b does not exist/],
    [{ op: 'replace', path: '/b/c', value: 1 }, /the path \/b\/c does not exist/],
    [{ op: 'add', path: '/a/9', value: 1 }, /the path \/a\/9 does not exist/],
    [{ op: 'test', path: '/a', value: [] }, /testing path \/a failed/],
    [{ op: 'remove', path: '/a/00' }, /the path \/a\/00 does not exist/],
    [{ op: 'add', path: '/a/-1', value: 1 }, /the path \/a\/-1 does not exist/],
    [{ op: 'add', path: '/b' }, /the operation at \/b has no value/],
    [{ op: 'move', from: '/a', path: '/a/b' }, /the path \/a\/b does not exist/],
    [{ op: 'add', path: 'b', value: 1 }, /needs a valid "path"/],
    [{ op: 'add', value: 1 }, /needs a valid "path"/],
    [{ op: 'fly', path: '/a' }, /Unexpected kind: fly/],
  ]
  for (const [operation, message] of rows) assert.throws(() => jsonPatch({ a: [1] }, [operation]), message)
  assert.throws(() => jsonPatch({}, {}), /must be an array/)
  assert.throws(() => jsonPatch({}, [null]), /needs a valid "path"/)
})

test('no patch reaches a prototype, and `__proto__` is a field like any other', () => {
  const key = '__proto__'
  assert.throws(() => jsonPatch({}, [{ op: 'add', path: `/${key}/x`, value: 1 }]), /does not exist/)
  assert.throws(() => jsonPatch({}, [{ op: 'add', path: '/constructor/prototype/x', value: 1 }]), /does not exist/)
  const added = jsonPatch({ data: {} }, [{ op: 'add', path: `/data/${key}`, value: 'v' }])
  const merged = mergePatch({ data: {} }, JSON.parse(`{"data":{"${key}":"v"}}`))
  const strategically = strategic({ data: {} }, JSON.parse(`{"data":{"${key}":"v"}}`))
  for (const result of [added, merged, strategically]) assert.equal(JSON.stringify(result), `{"data":{"${key}":"v"}}`)
  assert.equal(Reflect.get({}, 'x'), undefined)
})

test('jsonPatch() bounds the number of operations and what its copies add', () => {
  const add = { op: 'add', path: '/a', value: 1 }
  assert.throws(() => jsonPatch({}, Array(10_001).fill(add)), /maximum operations in a JSON patch is 10000, got 10001/)
  const doubling = Array.from({ length: 64 }, (_, index) => ({ op: 'copy', from: '', path: index % 2 ? '/a' : '/b' }))
  assert.throws(() => jsonPatch({ text: 'x'.repeat(100) }, doubling), /copies add more than/)
})

test('strategicPatch() merges lists by their key and replaces the others', () => {
  const pod = {
    containers: [
      { name: 'a', image: '1', args: ['x'] },
      { name: 'b', image: '1' },
    ],
  }
  const patched = strategic(pod, { containers: [{ name: 'b', image: '2' }, { name: 'c' }, { name: 'a', args: ['y'] }] })
  const expected = [{ name: 'a', image: '1', args: ['y'] }, { name: 'b', image: '2' }, { name: 'c' }]
  assert.deepEqual(patched, { containers: expected })
  const nested = strategic(
    { containers: [{ name: 'a', env: [{ name: 'X', value: '1' }] }] },
    { containers: [{ name: 'a', env: [{ name: 'Y', value: '2' }] }] },
  )
  assert.deepEqual(nested, {
    containers: [
      {
        name: 'a',
        env: [
          { name: 'X', value: '1' },
          { name: 'Y', value: '2' },
        ],
      },
    ],
  })
})

test('strategicPatch() follows the directives of the patch', () => {
  const pod = {
    containers: [{ name: 'a' }, { name: 'b' }],
    volume: { name: 'v', emptyDir: {} },
    finalizers: ['x', 'y'],
  }
  assert.deepEqual(strategic(pod, { containers: [{ name: 'a', $patch: 'delete' }] }), {
    ...pod,
    containers: [{ name: 'b' }],
  })
  assert.deepEqual(strategic(pod, { containers: [{ $patch: 'replace' }, { name: 'z' }] }), {
    ...pod,
    containers: [{ name: 'z' }],
  })
  assert.deepEqual(strategic(pod, { volume: { $patch: 'replace', name: 'w' } }), { ...pod, volume: { name: 'w' } })
  assert.deepEqual(strategic(pod, { volume: { $patch: 'delete' } }), {
    containers: pod.containers,
    finalizers: ['x', 'y'],
  })
  const retained = { volume: { $retainKeys: ['name', 'secret'], secret: { secretName: 's' } } }
  assert.deepEqual(strategic(pod, retained), { ...pod, volume: { name: 'v', secret: { secretName: 's' } } })
  const ordered = { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] }
  assert.deepEqual(strategic(pod, ordered), { ...pod, containers: [{ name: 'b' }, { name: 'a' }] })
  const fewer = { '$deleteFromPrimitiveList/finalizers': ['x'], finalizers: ['z'] }
  assert.deepEqual(strategic(pod, fewer), { ...pod, finalizers: ['y', 'z'] })
})
