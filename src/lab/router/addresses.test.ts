import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPodAddresses, freeServiceAddress, isClusterAddress } from './addresses.ts'

test('a Service gets the address that its name leads to, and the next one if that is taken', () => {
  const first = freeServiceAddress('default/shop', new Set())
  assert.equal(freeServiceAddress('default/shop', new Set()), first)
  const second = freeServiceAddress('default/shop', new Set([first]))
  assert.notEqual(second, first)
  for (const address of [first, second]) assert.match(address, /^10\.96\.([1-9]|\d\d|\d\d\d)\.\d+$/)
})

test('pods get different addresses, and a released one is not given again at once', () => {
  const addresses = createPodAddresses()
  const given = Array.from({ length: 600 }, () => addresses.take())
  assert.equal(new Set(given).size, 600)
  assert.deepEqual([given[0], given[254]], ['10.244.0.2', '10.244.1.0'])
  addresses.release('10.244.0.2')
  assert.equal(addresses.take(), '10.244.2.90')
})

test('addresses of the cluster, of the metadata service and of loopback do not lead outside', () => {
  for (const address of ['10.96.0.1', '10.244.3.4', '10.245.0.2', '127.0.0.1', '169.254.169.254']) {
    assert.ok(isClusterAddress(address), address)
  }
  for (const address of ['10.97.0.1', '192.168.1.1', '93.184.216.34']) assert.ok(!isClusterAddress(address), address)
})
