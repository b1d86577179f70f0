import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { resources } from '#kubernetes/client'
import { eventually } from '../../support/eventually.ts'
import { startMicLab } from './mic-lab.ts'
import { plainGet } from './plain-get.ts'

test('MIC simple: a pod gets its identity assigned to the scale set of its node, and loses it when it is gone', async (t) => {
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
  const applied = /Normal binding applied: binding shop-binding .* on node pool-0 for pod default\/web/
  await eventually(async () => assert.match((await lab.eventsOf('shop-binding')).join('\n'), applied))

  await lab.deletePod('web')
  await lab.assignmentsAre()
  await lab.identitiesAre('pool')
  await eventually(async () => assert.match((await lab.eventsOf('shop-binding')).join('\n'), /Normal binding removed/))
})

test('MIC update identity: another resource id moves the machine to it, under the same assignment', async (t) => {
  const { lab, other } = await assignedAndAnother(t)
  const spec = { resourceID: other.id, clientID: other.clientId }
  await lab.kube.patch(resources.azureIdentities, { namespace: 'default', name: 'shop' }, { spec })
  await lab.identitiesAre('pool', 'other')
  await lab.assignmentsAre('web-default-shop Assigned')
})

test('MIC update identity: an identity that Azure does not remove is reported, because no assignment is left of it', async (t) => {
  const { lab, other } = await assignedAndAnother(t)
  await lab.azure.control('PUT', '/faults/management.azure.com', { kind: 'error', status: 501 })
  const spec = { resourceID: other.id, clientID: other.clientId }
  await lab.kube.patch(resources.azureIdentities, { namespace: 'default', name: 'shop' }, { spec })
  const expected =
    /Warning binding remove error: binding shop-binding with identity shop not removed on node pool-0 .*501/
  await eventually(async () => assert.match((await lab.eventsOf('shop-binding')).join('\n'), expected))
})

test('MIC add, update and delete together: what changes in one moment ends right', async (t) => {
  const lab = await startMicLab(t)
  const [node = ''] = await lab.createScaleSet('pool')
  for (const name of ['ant', 'bee', 'cat']) await lab.bind(name)
  await lab.createPod('one', { node, selector: 'ant' })
  await lab.createPod('two', { node, selector: 'bee' })
  await lab.assignmentsAre('one-default-ant Assigned', 'two-default-bee Assigned')
  await Promise.all([
    lab.deletePod('one'),
    lab.createPod('three', { node, selector: 'cat' }),
    // Another label is another identity.
    lab.kube.patch(
      resources.pods,
      { namespace: 'default', name: 'two' },
      { metadata: { labels: { aadpodidbinding: 'ant' } } },
    ),
  ])
  await lab.assignmentsAre('three-default-cat Assigned', 'two-default-ant Assigned')
  await lab.identitiesAre('pool', 'ant', 'cat')
})

test('deleting the binding takes the identity away, and a second binding with the same selector gives a second one', async (t) => {
  const lab = await startMicLab(t)
  const [node = ''] = await lab.createScaleSet('pool')
  await lab.bind('ant', { selector: 'shop' })
  await lab.bind('bee', { selector: 'shop' })
  await lab.createPod('web', { node, selector: 'shop' })
  await lab.assignmentsAre('web-default-ant Assigned', 'web-default-bee Assigned')
  await lab.kube.delete(resources.azureIdentityBindings, { namespace: 'default', name: 'ant-binding' })
  await lab.assignmentsAre('web-default-bee Assigned')
  await lab.identitiesAre('pool', 'bee')
})

test('MIC VMSS: with three nodes in two sets an identity stays on a set until its last pod is gone', async (t) => {
  const lab = await startMicLab(t)
  const [a0 = '', a1 = ''] = await lab.createScaleSet('a', { nodes: 2 })
  const [b0 = ''] = await lab.createScaleSet('b')
  await lab.bind('shop')
  for (const [name, node] of [
    ['one', a0],
    ['two', a1],
    ['three', b0],
  ] as const) {
    await lab.createPod(name, { node, selector: 'shop' })
  }
  await lab.assignmentsAre('one-default-shop Assigned', 'three-default-shop Assigned', 'two-default-shop Assigned')
  await lab.deletePod('one')
  await lab.deletePod('three')
  await lab.assignmentsAre('two-default-shop Assigned')
  await lab.identitiesAre('a', 'shop')
  await lab.identitiesAre('b')
  await lab.deletePod('two')
  await lab.identitiesAre('a')
})

test('MIC immutable ids: the machine keeps an identity that is immutable, though its last pod is gone', async (t) => {
  // The case of an id does not matter.
  const lab = await startMicLab(t, { immutableClientIds: ['KUBELET-CLIENT'] })
  const [node = ''] = await lab.createScaleSet('pool')
  const identity = await lab.azure.createIdentity('kubelet')
  await lab.bind('kubelet', { identity, spec: { type: 0, resourceID: identity.id, clientID: 'kubelet-client' } })
  await lab.createPod('web', { node, selector: 'kubelet' })
  await lab.assignmentsAre('web-default-kubelet Assigned')
  await lab.deletePod('web')
  await lab.assignmentsAre()
  await lab.identitiesAre('pool', 'kubelet')
})

test('a virtual machine keeps its system-assigned identity, and what an administrator gave it', async (t) => {
  const lab = await startMicLab(t)
  const kept = await lab.azure.createIdentity('kept')
  const node = await lab.createMachine('vm-0')
  const identity = { type: 'SystemAssigned, UserAssigned', userAssignedIdentities: { [kept.id]: {} } }
  await lab.azure.arm('PATCH', lab.machineId('vm-0'), { identity })
  await lab.bind('shop')
  await lab.createPod('web', { node, selector: 'shop' })
  await lab.identitiesAre('vm-0', 'kept', 'shop')
  await lab.deletePod('web')
  await lab.identitiesAre('vm-0', 'kept')
  await lab.assignmentsAre()
  assert.equal((await lab.azure.arm.get(lab.machineId('vm-0'))).identity.type, 'SystemAssigned, UserAssigned')
})

test('MIC cloud retry: one identity that does not exist delays no other, and is assigned when it exists', async (t) => {
  const lab = await startMicLab(t)
  const [node = ''] = await lab.createScaleSet('pool')
  const absent = await lab.azure.createIdentity('absent')
  await lab.azure.arm.delete(absent.id)
  await lab.bind('good', { selector: 'shop' })
  await lab.bind('absent', { selector: 'shop', identity: absent })
  await lab.createPod('web', { node, selector: 'shop' })
  await lab.assignmentsAre('web-default-absent Created', 'web-default-good Assigned')
  const reported = await eventually(async () => {
    const events = (await lab.eventsOf('absent-binding')).join('\n')
    assert.match(events, /Warning binding apply error/)
    return events
  })
  assert.match(reported, /userassignedidentities\/absent' was not found/i, 'which identity, and why')
  // Another binding wakes the controller; it does not wait for its own retry.
  await lab.azure.createIdentity('absent')
  await lab.bind('more')
  await lab.createPod('other', { node, selector: 'more' })
  await lab.assignmentsAre('other-default-more Assigned', 'web-default-absent Assigned', 'web-default-good Assigned')
})

test('MIC state flow: while Azure does not answer a removal stays Assigned and an addition Created; later all is done, without an event', async (t) => {
  const lab = await startMicLab(t)
  const [node = ''] = await lab.createScaleSet('pool')
  await lab.bind('ant')
  await lab.bind('bee')
  await lab.createPod('one', { node, selector: 'ant' })
  await lab.assignmentsAre('one-default-ant Assigned')
  await lab.azure.control('PUT', '/faults/management.azure.com', { kind: 'error', status: 501 })
  await lab.deletePod('one')
  await lab.createPod('two', { node, selector: 'bee' })
  await lab.assignmentsAre('one-default-ant Assigned', 'two-default-bee Created')
  await eventually(
    async () => assert.match((await lab.eventsOf('ant-binding')).join('\n'), /Warning binding remove error/),
    15_000,
  )
  await lab.azure.control('DELETE', '/faults/management.azure.com')
  await lab.assignmentsAre('two-default-bee Assigned')
  await lab.identitiesAre('pool', 'bee')
})

test('MIC node gone: assignments of nodes that are no more go, those of the others stay', async (t) => {
  const lab = await startMicLab(t)
  const nodes = await lab.createScaleSet('pool', { nodes: 10 })
  await lab.bind('shop')
  for (const [i, node] of nodes.entries()) await lab.createPod(`pod-${i}`, { node, selector: 'shop' })
  const all = nodes.map((_, i) => `pod-${i}-default-shop Assigned`)
  await lab.assignmentsAre(...all)
  for (const [i, name] of nodes.entries()) {
    if (i >= 5) continue
    await lab.kube.delete(resources.nodes, { name })
    await lab.deletePod(`pod-${i}`)
  }
  await lab.assignmentsAre(...all.slice(5))
  await lab.identitiesAre('pool', 'shop')
})

test('MIC namespaced: the same names in two namespaces are both assigned, each in its own', async (t) => {
  const lab = await startMicLab(t, { forceNamespaced: true })
  const [node = ''] = await lab.createScaleSet('pool')
  for (const namespace of ['one', 'two']) {
    await lab.kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
    const account = { namespace, name: 'default' }
    await eventually(() => lab.kube.get(resources.serviceAccounts, account))
    await lab.bind('shop', { namespace, identity: await lab.azure.createIdentity(`shop-${namespace}`) })
    await lab.createPod('web', { node, selector: 'shop', namespace })
  }
  await lab.assignmentsAre('web-one-shop Assigned', 'web-two-shop Assigned')
  await lab.identitiesAre('pool', 'shop-one', 'shop-two')
  const { items } = await lab.kube.list(resources.azureAssignedIdentities)
  assert.deepEqual(items.map(({ metadata }) => metadata.namespace).toSorted(), ['one', 'two'])
})

test('an identity that is removed from a machine by other means is given back, and nothing else changes', async (t) => {
  const lab = await startMicLab(t, { reconcileMs: 300 })
  const [node = ''] = await lab.createScaleSet('pool')
  const shop = await lab.bind('shop')
  const kept = await lab.azure.createIdentity('kept')
  await lab.createPod('web', { node, selector: 'shop' })
  await lab.assignmentsAre('web-default-shop Assigned')
  const userAssignedIdentities = { [shop.id]: null, [kept.id]: {} }
  await lab.azure.arm('PATCH', lab.machineId('pool'), { identity: { type: 'UserAssigned', userAssignedIdentities } })
  await lab.identitiesAre('pool', 'kept', 'shop')
})

test('a service principal is assigned without a word to Azure', async (t) => {
  const lab = await startMicLab(t)
  const spec = { type: 1, clientID: 'client', tenantID: 'tenant', clientPassword: { name: 's', namespace: 'default' } }
  const identity = { id: '', name: 'app', principalId: '', clientId: 'client' }
  await lab.bind('app', { identity, spec })
  await lab.createPod('web', { node: 'no-such-node', selector: 'app' })
  await lab.assignmentsAre('web-default-app Assigned')
})

test('forty pods of one scale set are one request to Azure to assign, and one to take away', async (t) => {
  const lab = await startMicLab(t)
  const nodes = await lab.createScaleSet('pool', { nodes: 4 })
  await lab.mic.stop()
  for (let i = 0; i < 40; i++) {
    if (i < 10) await lab.bind(`id-${i}`)
    await lab.createPod(`pod-${i}`, { node: nodes[i % 4] ?? '', selector: `id-${i % 10}` })
  }
  await lab.azure.control('DELETE', '/requests')
  await lab.startReplica()
  await lab.assignmentsAre(...Array.from({ length: 40 }, (_, i) => `pod-${i}-default-id-${i % 10} Assigned`))
  const { counts } = (await lab.azure.control('GET', '/requests')) as { counts: Record<string, number> }
  assert.equal(counts['arm.vmss.update'], 1)
})

test('liveness: the leader answers Active and the others Not Active; when it stops another leads', async (t) => {
  const lab = await startMicLab(t)
  const health = async (port: number) => (await plainGet(port, '/healthz')).text
  await eventually(async () => assert.equal(await health(lab.mic.healthPort), 'Active'))
  const second = await lab.startReplica({ instance: 'replica-1' })
  assert.equal(await health(second.healthPort), 'Not Active')
  const { text } = await plainGet(lab.mic.metricsPort, '/metrics')
  assert.match(text, /^aadpodidentity_mic_new_leader_election_count 1$/m)

  await lab.mic.stop()
  await eventually(async () => assert.equal(await health(second.healthPort), 'Active'))
  const [node = ''] = await lab.createScaleSet('pool')
  await lab.bind('shop')
  await lab.createPod('web', { node, selector: 'shop' })
  await lab.assignmentsAre('web-default-shop Assigned')
  const metrics = (await plainGet(second.metricsPort, '/metrics')).text
  assert.match(metrics, /^aadpodidentity_assigned_identity_addition_count 1$/m)
  assert.match(
    metrics,
    /^aadpodidentity_cloud_provider_operations_duration_seconds_count\{operation_type="vmss_update"\} 1$/m,
  )
})

test('a leader that dies without a word is followed when its time is over', async (t) => {
  const lab = await startMicLab(t)
  await lab.mic.stop()
  const now = new Date().toISOString().replace('Z', '000Z')
  const ref = { namespace: 'default', name: 'aad-pod-identity-mic' }
  const spec = { holderIdentity: 'dead', leaseDurationSeconds: 2, renewTime: now, acquireTime: now }
  await lab.kube.patch(resources.leases, ref, { spec })
  await lab.startReplica({ instance: 'heir' })
  await eventually(async () => {
    const { spec: lease } = await lab.kube.get(resources.leases, ref)
    assert.equal(lease?.holderIdentity, 'heir')
  })
})

test('an AzureIdentity whose id ends in a line feed is reported, and others of the scale set are assigned', async (t) => {
  const lab = await startMicLab(t)
  const [node = ''] = await lab.createScaleSet('pool')
  const { id, clientId } = await lab.azure.createIdentity('bad')
  const identity = { id, name: 'bad', principalId: '', clientId }
  await lab.bind('bad', { identity, spec: { type: 0, resourceID: `${id}\n`, clientID: clientId } })
  await lab.bind('good')
  await lab.createPod('one', { node, selector: 'bad' })
  await lab.createPod('two', { node, selector: 'good' })
  await lab.assignmentsAre('two-default-good Assigned')
  await eventually(async () =>
    assert.match((await lab.eventsOf('bad')).join('\n'), /spec\.resourceID: found ".*bad\\n"/),
  )
})

test('more identities that were deleted in Azure than there are retries delay the others of a scale set by a cycle at most', async (t) => {
  const lab = await startMicLab(t)
  const [node = ''] = await lab.createScaleSet('pool')
  for (const name of ['gone-a', 'gone-b', 'gone-c', 'gone-d']) {
    const identity = await lab.azure.createIdentity(name)
    await lab.azure.arm.delete(identity.id)
    await lab.bind(name, { identity, selector: 'shop' })
  }
  await lab.bind('good', { selector: 'shop' })
  await lab.createPod('web', { node, selector: 'shop' })
  await lab.assignmentsAre(
    ...['a', 'b', 'c', 'd'].map((letter) => `web-default-gone-${letter} Created`),
    'web-default-good Assigned',
  )
})

/** A pod with its identity on a machine of the scale set `pool`, and an identity that no pod has. */
async function assignedAndAnother(t: TestContext) {
  const lab = await startMicLab(t)
  const [node = ''] = await lab.createScaleSet('pool')
  await lab.bind('shop')
  await lab.createPod('web', { node, selector: 'shop' })
  await lab.assignmentsAre('web-default-shop Assigned')
  return { lab, other: await lab.azure.createIdentity('other') }
}
