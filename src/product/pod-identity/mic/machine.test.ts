import assert from 'node:assert/strict'
import { test } from 'node:test'
import { machineKey, machineOf } from './machine.ts'

const place = { subscriptionId: 'sub', resourceGroup: 'nodes' }
const of = (providerId: string) => machineOf({ name: 'node-0', providerId }, place)

test('machineOf() takes all instances of a scale set for one machine, that of the provider id', () => {
  const id = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/pool'
  assert.deepEqual(of(`azure://${id}/virtualMachines/0`), { kind: 'vmss', id })
  const other = of(`azure://${id.toLowerCase()}/virtualMachines/7`)
  assert.equal(machineKey(other), machineKey({ kind: 'vmss', id }))
  const elsewhere = of(`azure://${id.replace('/g/', '/h/')}/virtualMachines/0`)
  assert.notEqual(machineKey(elsewhere), machineKey({ kind: 'vmss', id }), 'sets of one name in two groups are two')
})

test('machineOf() reads nested and flat ids, and takes a node without one for the machine of its name', () => {
  const id = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm-0'
  assert.deepEqual(of(`azure://${id}`), { kind: 'vm', id })
  const own = '/subscriptions/sub/resourceGroups/nodes/providers/Microsoft.Compute/virtualMachines/node-0'
  assert.deepEqual(of(''), { kind: 'vm', id: own })
})

test('machineOf() names the node and what it found for an id that it cannot read', () => {
  for (const providerId of ['plain', 'aws:///eu-west-1a/i-1', 'azure:///subscriptions/s/resourceGroups/g']) {
    assert.throws(
      () => of(providerId),
      new RegExp(`node node-0: found spec.providerID "${providerId}", expected azure:`),
    )
  }
})
