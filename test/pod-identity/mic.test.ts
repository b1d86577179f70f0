import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resources } from '../../src/kube/index.ts'
import { startMicLab } from './mic-lab.ts'

test('a pod with the label gets its identity assigned to the scale set of its node, and loses it when it is gone', async (t) => {
  const lab = await startMicLab(t)
  const [node = ''] = await lab.createScaleSet('pool')
  const identity = await lab.bind('shop')
  await lab.createPod('web', { node, selector: 'shop' })
  await lab.assignmentsAre('web-default-shop Assigned')
  await lab.identitiesAre('pool', 'shop')

  const ref = { namespace: 'default', name: 'web-default-shop' }
  const assigned = await lab.kube.get(resources.azureAssignedIdentities, ref)
  assert.deepEqual(assigned.metadata.labels, { nodename: node })
  assert.deepEqual(assigned.metadata.finalizers, ['azureassignedidentity.finalizers.aadpodidentity.k8s.io'])
  assert.partialDeepStrictEqual(assigned.spec, { pod: 'web', podNamespace: 'default', nodename: node })
  assert.equal(assigned.spec.azureIdentityRef.spec.clientID, identity.clientId)
  assert.equal(assigned.spec.azureBindingRef.spec.selector, 'shop')
  assert.deepEqual(assigned.status, { status: 'Assigned', availableReplicas: 1 })
  assert.match(
    (await lab.eventsOf('shop-binding')).join('\n'),
    /Normal binding applied: binding shop-binding .* on node pool-0 for pod default\/web/,
  )

  await lab.deletePod('web')
  await lab.assignmentsAre()
  await lab.identitiesAre('pool')
  assert.match((await lab.eventsOf('shop-binding')).join('\n'), /Normal binding removed/)
})
