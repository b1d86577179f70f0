import assert from 'node:assert/strict'
import { test } from 'node:test'
import { labelValue, statusName, uniqueStatusName } from './pod-status.ts'

const volume = (pod: string, className: string, name = 'secrets') => ({
  pod: { name: pod, namespace: 'default', uid: 'u' },
  className,
  target: `/var/lib/kubelet/pods/u/volumes/kubernetes.io~csi/${name}/mount`,
})

test("a status object has upstream's name as long as that fits", () => {
  assert.equal(statusName(volume('web', 'app')), 'web-default-app')
  assert.equal(statusName(volume('p'.repeat(240), 'abcd')).length, 253)
})

test('a longer name ends in a hash and stays a valid name', () => {
  const [a, b] = [statusName(volume('p'.repeat(240), 'abcdefgh')), statusName(volume('p'.repeat(240), 'abcdefgi'))]
  assert.ok(a.length <= 253)
  assert.match(a, /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/)
  assert.notEqual(a, b)
})

test('two volumes of one pod with one class get two names', () => {
  assert.notEqual(uniqueStatusName(volume('web', 'app', 'one')), uniqueStatusName(volume('web', 'app', 'two')))
})

test("a node's name that is too long for a label is shortened, and stays distinct", () => {
  assert.equal(labelValue('node-1'), 'node-1')
  const [a, b] = [labelValue(`${'n'.repeat(100)}a`), labelValue(`${'n'.repeat(100)}b`)]
  assert.equal(a.length, 63)
  assert.notEqual(a, b)
})
