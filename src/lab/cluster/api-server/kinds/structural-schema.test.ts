import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Causes } from '../api-error.ts'
import { applyDefaults, prune, type Schema, validateSchema } from './structural-schema.ts'

function causesOf(schema: Schema, value: unknown, path = '') {
  const causes = new Causes()
  validateSchema(causes, schema, value, path)
  return causes.list
}

test('prune() removes what the schema does not name, and returns the paths', () => {
  const schema: Schema = {
    properties: {
      spec: {
        properties: {
          list: { items: { properties: { a: {} } } },
          map: { additionalProperties: { properties: { a: {} } } },
        },
      },
      free: { 'x-kubernetes-preserve-unknown-fields': true, properties: { strict: { properties: {} } } },
    },
  }
  const value = {
    spec: { list: [{ a: 1, b: 2 }], map: { k: { a: 1, c: 3 } }, d: 4 },
    free: { any: 1, strict: { e: 5 } },
    f: 6,
  }
  assert.deepEqual(prune(schema, value), ['spec.list[0].b', 'spec.map.k.c', 'spec.d', 'free.strict.e', 'f'])
  assert.deepEqual(value, { spec: { list: [{ a: 1 }], map: { k: { a: 1 } } }, free: { any: 1, strict: {} } })
})

test('an embedded object keeps its metadata as it is, and must have an apiVersion and a kind', () => {
  const schema: Schema = { properties: { ref: { 'x-kubernetes-embedded-resource': true, properties: { spec: {} } } } }
  const value = {
    ref: { apiVersion: 'v1', kind: 'Thing', metadata: { name: 'a', labels: { b: 'c' } }, spec: 1, other: 2 },
  }
  assert.deepEqual(prune(schema, value), ['ref.other'])
  assert.deepEqual(value.ref.metadata, { name: 'a', labels: { b: 'c' } })
  assert.deepEqual(causesOf(schema, value), [])
  assert.deepEqual(
    causesOf(schema, { ref: { metadata: {} } }).map(({ field }) => field),
    ['ref.apiVersion', 'ref.kind'],
  )
})

test('applyDefaults() fills what is absent at every depth, and no object that is absent itself', () => {
  const inner: Schema = { properties: { size: { default: 1 }, color: { default: 'red', nullable: true } } }
  const schema: Schema = { properties: { made: { ...inner, default: {} }, absent: inner, list: { items: inner } } }
  const value = { list: [{ size: 2, color: null }, { size: null }] }
  applyDefaults(schema, value)
  assert.deepEqual(value, {
    list: [
      { size: 2, color: null },
      { size: 1, color: 'red' },
    ],
    made: { size: 1, color: 'red' },
  })
})

test('validateSchema() finds each broken rule, in the words of Kubernetes', () => {
  const rows: [Schema, unknown, string][] = [
    [{ type: 'string' }, 1, 'x: Invalid value: "integer": x in body must be of type string: "integer"'],
    [{ type: 'integer' }, 1.5, 'x: Invalid value: "number": x in body must be of type integer: "number"'],
    [{ type: 'object' }, null, 'x: Invalid value: "null": x in body must be of type object: "null"'],
    [
      { 'x-kubernetes-int-or-string': true },
      true,
      'x: Invalid value: "boolean": x in body must be of type integer,string: "boolean"',
    ],
    [{ enum: ['a', 'b'] }, 'c', 'x: Unsupported value: "c": supported values: "a", "b"'],
    [{ minimum: 2 }, 1, 'x: Invalid value: 1: x in body should be greater than or equal to 2'],
    [{ maxLength: 1 }, 'ab', 'x: Invalid value: "ab": x in body should be at most 1 chars long'],
    [{ pattern: '^a$' }, 'b', 'x: Invalid value: "b": x in body should match \'^a$\''],
    [{ required: ['a'] }, {}, 'x.a: Required value'],
    [{ 'x-kubernetes-list-type': 'set' }, ['a', 'a'], 'x[1]: Duplicate value: "a"'],
    [
      { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] },
      [
        { name: 'a', v: 1 },
        { name: 'a', v: 2 },
      ],
      'x[1]: Duplicate value: {"name":"a"}',
    ],
    [
      { items: { properties: { a: { type: 'boolean' } } } },
      [{ a: 'no' }],
      'x[0].a: Invalid value: "string": x[0].a in body must be of type boolean: "string"',
    ],
  ]
  for (const [schema, value, expected] of rows) {
    assert.deepEqual(
      causesOf(schema, value, 'x').map(({ field, message }) => `${field}: ${message}`),
      [expected],
    )
  }
  assert.deepEqual(causesOf({ type: 'string', nullable: true }, null, 'x'), [])
  assert.deepEqual(causesOf({ type: 'number' }, 1, 'x'), [])
})
