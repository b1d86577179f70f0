import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApiObject } from '../api-object.ts'
import type { ListKeys } from '../kinds/list-keys.ts'
import { applyConfiguration, type Manager, recordUpdate } from './field-managers.ts'

const keysOf: ListKeys = (path) => ({ containers: ['name'] })[path.at(-1) ?? '']
const writer = (manager: string, operation: Manager['operation'] = 'Apply'): Manager => ({
  ...{ manager, operation, apiVersion: 'v1', time: '2026-01-01T00:00:00Z' },
})
const blank: ApiObject = { apiVersion: 'v1', kind: 'Thing', metadata: { name: 'x' } }
const thing = (fields: object): ApiObject => ({ ...blank, ...fields })

/** Applies configurations one after the other; each is [manager, fields]. */
function applyAll(steps: readonly (readonly [string, object])[], force = true): ApiObject {
  return steps.reduce(
    (live, [manager, fields]) =>
      applyConfiguration(structuredClone(live), thing(fields), { writer: writer(manager), force, keysOf }),
    blank,
  )
}

const fieldsOf = ({ metadata: _, apiVersion: __, kind: ___, ...fields }: ApiObject) => fields
const ownersOf = ({ metadata }: ApiObject) =>
  (metadata.managedFields as { manager: string; fieldsV1: object }[]).map(({ manager, fieldsV1 }) => [
    manager,
    fieldsV1,
  ])

test('apply removes what its manager no longer names, and nothing of others', () => {
  const live = applyAll([
    ['one', { data: { a: 1, b: 2, c: 3 } }],
    ['two', { data: { b: 2 } }],
    ['one', { data: { a: 1 } }],
  ])
  assert.deepEqual(fieldsOf(live), { data: { a: 1, b: 2 } })
  assert.deepEqual(ownersOf(live), [
    ['one', { 'f:data': { 'f:a': {} } }],
    ['two', { 'f:data': { 'f:b': {} } }],
  ])
})

test('apply owns items of keyed lists one by one', () => {
  const live = applyAll([
    [
      'one',
      {
        containers: [
          { name: 'a', image: '1' },
          { name: 'b', image: '1' },
        ],
      },
    ],
    ['two', { containers: [{ name: 'b', args: ['x'] }] }],
    ['one', { containers: [{ name: 'c' }] }],
  ])
  assert.deepEqual(fieldsOf(live), { containers: [{ name: 'b', args: ['x'] }, { name: 'c' }] })
  assert.deepEqual(ownersOf(live)[0], ['one', { 'f:containers': { 'k:{"name":"c"}': { '.': {}, 'f:name': {} } } }])
})

test('apply refuses another manager’s field unless it is forced, and then takes it', () => {
  const steps = [
    ['one', { data: { a: 1 } }],
    ['two', { data: { a: 2 } }],
  ] as const
  assert.throws(() => applyAll(steps, false), /Apply failed with 1 conflict: conflict with "one" using v1: \.data\.a/)
  const live = applyAll(steps)
  assert.deepEqual(fieldsOf(live), { data: { a: 2 } })
  assert.deepEqual(ownersOf(live), [['two', { 'f:data': { 'f:a': {} } }]])
  assert.doesNotThrow(() =>
    applyAll(
      [
        ['one', { data: { a: 1 } }],
        ['two', { data: { a: 1 } }],
      ],
      false,
    ),
  )
})

test('the same configuration again changes nothing', () => {
  const live = applyAll([
    ['one', { data: { a: 1 } }],
    ['two', { spec: { b: 1 } }],
  ])
  const later = { ...writer('one'), time: '2027-01-01T00:00:00Z' }
  const again = applyConfiguration(structuredClone(live), thing({ data: { a: 1 } }), {
    writer: later,
    force: false,
    keysOf,
  })
  assert.deepEqual(again, live)
})

test('a map that was applied empty may get entries', () => {
  const live = applyAll([
    ['one', { data: {} }],
    ['one', { data: { a: 1 } }],
  ])
  assert.deepEqual(fieldsOf(live), { data: { a: 1 } })
})

test('a plain write takes over what it changes, and frees what it removes', () => {
  const live = applyAll([['one', { data: { a: 1, b: 2, c: 3 } }]])
  const next = { ...live, data: { a: 9, b: 2 } }
  const written = recordUpdate(live, next, writer('editor', 'Update'), keysOf)
  assert.deepEqual(ownersOf(written), [
    ['one', { 'f:data': { 'f:b': {} } }],
    ['editor', { 'f:data': { 'f:a': {} } }],
  ])
})
