import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everyFileRows, isEveryFileKey, rowsFault, syncsEveryFile } from './every-file.ts'

test('a row for every file becomes one for each, and others stay', () => {
  const rows = [
    { objectName: ' * ', key: 'APP_{file}' },
    { objectName: 'a', key: 'one' },
    { objectName: '*', key: 'all' },
  ]
  assert.deepEqual(everyFileRows(rows, ['a', 'tls/$&.pem']), [
    { objectName: 'a', key: 'APP_a' },
    { objectName: 'tls/$&.pem', key: 'APP_tls.$&.pem' },
    { objectName: 'a', key: 'one' },
    { objectName: '*', key: 'all' },
  ])
})

test('rows for every file count for each file, those of all entries together', () => {
  const object = (rows: number) => ({
    data: [
      ...Array.from({ length: rows }, (_, index) => ({ objectName: '*', key: `k${index}-{file}` })),
      { objectName: '*', key: 'no-placeholder' },
      { objectName: 'a', key: 'a' },
    ],
  })
  assert.equal(rowsFault([object(2), object(2)], 249), undefined)
  assert.match(rowsFault([object(2), object(2)], 250) ?? '', /found 1,004, at most 1,000/)
  assert.match(rowsFault([object(1000)], 1000) ?? '', /found 1,000,002, at most 1,000/)
  assert.equal(rowsFault([object(500), object(496)], 1), undefined)
})

test('a key for every file has {file} once, beside what keys of Secrets may have', () => {
  for (const key of ['{file}', 'a.{file}-B_1']) assert.ok(isEveryFileKey(key), key)
  for (const key of ['', 'file', '{file}{file}', 'a/{file}', '{File}']) assert.ok(!isEveryFileKey(key), key)
})

test('only syncAll: true is every file', () => {
  const secretClass = (syncAll?: string) => ({
    apiVersion: 'v1',
    kind: 'SecretProviderClass',
    metadata: {},
    spec: { parameters: syncAll === undefined ? {} : { syncAll } },
  })
  assert.ok(syncsEveryFile(secretClass(' true ')))
  for (const text of ['false', '', 'yes', undefined]) assert.ok(!syncsEveryFile(secretClass(text)))
})
