import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AzureIdentity, AzureIdentityBinding } from '#kubernetes/client'
import { type BoundPod, matchPods } from './match-pods.ts'
import { planChanges } from './plan-changes.ts'
import { planMachines } from './plan-machines.ts'

test('MIC scale: twenty thousand pods, then half of them, and none is lost', () => {
  const apiVersion = 'aadpodidentity.k8s.io/v1'
  const names = Array.from({ length: 100 }, (_, i) => `id-${i}`)
  const identities = names.map(
    (name): AzureIdentity => ({
      apiVersion,
      kind: 'AzureIdentity',
      metadata: { name, namespace: 'default' },
      spec: {
        type: 0,
        resourceID: `/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`,
        clientID: name,
      },
    }),
  )
  const bindings = names.map(
    (name): AzureIdentityBinding => ({
      apiVersion,
      kind: 'AzureIdentityBinding',
      metadata: { name, namespace: 'default' },
      spec: { azureIdentity: name, selector: name },
    }),
  )
  const pods = Array.from(
    { length: 20_000 },
    (_, i): BoundPod => ({
      name: `pod-${i}`,
      namespace: 'default',
      nodeName: `node-${i % 500}`,
      selector: `id-${i % 100}`,
    }),
  )
  const machineOfNode = (node: string) => ({ kind: 'vmss' as const, id: `/vmss/${Number(node.slice(5)) % 10}` })
  const plan = (existing: ReturnType<typeof matchPods>['desired'], left: BoundPod[]) => {
    const { desired } = matchPods({ pods: left, identities, bindings }, { forceNamespaced: false })
    const changes = planChanges(desired, existing)
    return {
      desired,
      changes,
      machines: planMachines({ changes, desired: desired.values(), machineOfNode, isImmutable: () => false }).machines,
    }
  }
  const first = plan(new Map(), pods)
  assert.equal(first.changes.create.length, 20_000)
  assert.equal(first.machines.length, 10)

  const assigned = new Map(
    [...first.desired].map(([key, one]) => [key, { ...one, status: { status: 'Assigned' as const } }]),
  )
  const second = plan(assigned, pods.slice(0, 10_000))
  assert.equal(second.changes.remove.length, 10_000)
  assert.equal(second.changes.create.length + second.changes.retry.length + second.changes.replace.length, 0)
  assert.ok(
    second.machines.every(({ delta }) => delta.remove.length === 0),
    'every identity is still used by a pod of its machine',
  )
})
