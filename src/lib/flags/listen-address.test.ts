import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseListenAddress } from './listen-address.ts'

test('parseListenAddress() reads hosts and ports as Go writes them', () => {
  assert.deepEqual(parseListenAddress(':8095'), { host: undefined, port: 8095 })
  assert.deepEqual(parseListenAddress('127.0.0.1:0'), { host: '127.0.0.1', port: 0 })
  assert.deepEqual(parseListenAddress('[::1]:80'), { host: '::1', port: 80 })
  for (const off of ['', '0']) assert.equal(parseListenAddress(off), null)
  for (const wrong of ['x', '80', '::1:80', '1.2.3.4', ':70000', '[x]:1', ':']) {
    assert.equal(parseListenAddress(wrong), undefined, wrong)
  }
})
