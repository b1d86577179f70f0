import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refuseKubenet } from './refuse-kubenet.ts'

test('a node with kubenet is refused, one with CNI is not', () => {
  refuseKubenet('KUBELET_FLAGS=--network-plugin=cni --node-labels=a=b')
  refuseKubenet('')
  assert.throws(() => refuseKubenet('KUBELET_FLAGS=--v=2 --network-plugin=kubenet'), /--allow-network-plugin-kubenet/)
})
