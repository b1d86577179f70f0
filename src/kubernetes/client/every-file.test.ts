import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everyFileRows, isEveryFileKey, syncsEveryFile } from './every-file.ts'

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
