import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AssignmentState, type AzureAssignedIdentity, objectKey } from '#kubernetes/client'
import { type Machine, machineKey } from './machine.ts'
import { planChanges } from './plan-changes.ts'
import { type MachinePlan, planMachines } from './plan-machines.ts'

interface Row {
  pod: string
  id: string
  node?: string
  state?: AssignmentState
  version?: string
  type?: number
  going?: boolean
  podNamespace?: string
}

function assigned({
  pod,
  id,
  node = 'a-0',
  state = 'Created',
  podNamespace = 'default',
  ...row
}: Row): AzureAssignedIdentity {
  const apiVersion = 'aadpodidentity.k8s.io/v1'
  const metadata = { name: id, namespace: 'default', resourceVersion: row.version ?? '1' }
  return {
    apiVersion,
    kind: 'AzureAssignedIdentity',
    metadata: {
      name: `${pod}-${podNamespace}-identity`,
      namespace: 'default',
      labels: { nodename: node },
      ...(row.going && { deletionTimestamp: '2026-01-01T00:00:00Z' }),
    },
    spec: {
      azureIdentityRef: {
        apiVersion,
        kind: 'AzureIdentity',
        metadata: { ...metadata, name: 'identity' },
        spec: { type: row.type ?? 0, resourceID: `/ids/${id}`, clientID: `client-${id}` },
      },
      azureBindingRef: { apiVersion, kind: 'AzureIdentityBinding', metadata, spec: { selector: 's' } },
      pod,
      podNamespace,
      nodename: node,
    },
    status: { status: state, availableReplicas: 1 },
  }
}

const mapOf = (rows: Row[]) => new Map(rows.map((row) => [objectKey(assigned(row)), assigned(row)]))
const plan = (desired: Row[], existing: Row[]) => planChanges(mapOf(desired), mapOf(existing))
const podsOf = (list: AzureAssignedIdentity[]) => list.map(({ spec }) => spec.pod)

test('diff: what is equal changes nothing, what is missing is created, what is too much goes', () => {
  const [a, b] = [
    { pod: 'a', id: 'x' },
    { pod: 'b', id: 'x' },
  ]
  const has = (row: Row): Row => ({ ...row, state: 'Assigned' })
  assert.deepEqual(plan([a], [has(a)]), { create: [], replace: [], retry: [], remove: [] })
  assert.deepEqual(podsOf(plan([a, b], [has(a)]).create), ['b'])
  assert.deepEqual(podsOf(plan([a, b], []).create), ['a', 'b'])
  assert.deepEqual(podsOf(plan([], [has(a), has(b)]).remove), ['a', 'b'])
})

test('diff: one that is still Created is retried, one that is being deleted goes before it is created again', () => {
  const a = { pod: 'a', id: 'x' }
  assert.deepEqual(podsOf(plan([a], [a]).retry), ['a'])
  assert.deepEqual(podsOf(plan([a], [{ ...a, state: 'Unassigned' }]).remove), ['a'])
  assert.deepEqual(podsOf(plan([a], [{ ...a, state: 'Assigned', going: true }]).remove), ['a'])
})

test('MIC update identity: another resource id replaces the object and is assigned; another version alone does not', () => {
  const a: Row = { pod: 'a', id: 'x' }
  const touched = plan([{ ...a, version: '2' }], [{ ...a, state: 'Assigned' }])
  assert.deepEqual(touched, { create: [], replace: [], retry: [], remove: [] })
  const [changed, ...more] = plan([{ ...a, id: 'y' }], [{ ...a, state: 'Assigned' }]).replace
  assert.equal(changed?.after.status?.status, 'Created')
  assert.deepEqual(more, [])
})

test('a change that the machine need not know of leaves the assignment Assigned, so that the pod keeps its tokens', () => {
  const a: Row = { pod: 'a', id: 'x' }
  const before = assigned({ ...a, state: 'Assigned' })
  const after = assigned(a)
  after.spec.azureBindingRef.spec.selector = 'another'
  const { replace } = planChanges(new Map([['k', after]]), new Map([['k', before]]))
  assert.equal(replace[0]?.after.status?.status, 'Assigned')
})

/** Nodes `a-0`, `a-1` are of scale set `a`; `vm` is a machine of its own. */
const machineOfNode = (node: string): Machine | 'gone' | 'unknown' => {
  if (node === 'gone' || node === 'unknown') return node
  const [set, instance] = node.split('-')
  return instance === undefined ? { kind: 'vm', id: `/vm/${node}` } : { kind: 'vmss', id: `/vmss/${set}` }
}

function machines(desired: Row[], existing: Row[], immutable = ''): MachinePlan & { updates: Record<string, unknown> } {
  const wanted = mapOf(desired)
  const planned = planMachines({
    changes: planChanges(wanted, mapOf(existing)),
    desired: wanted.values(),
    machineOfNode,
    isImmutable: ({ spec }) => spec.azureIdentityRef.spec.clientID === `client-${immutable}`,
  })
  const updates = planned.machines.map(({ machine, delta }) => [machineKey(machine), { ...delta }])
  return { ...planned, updates: Object.fromEntries(updates) }
}

test('MIC assignment state: the update of each VM and each scale set, one per machine', () => {
  const { updates } = machines(
    [
      { pod: 'p', id: 'x', node: 'a-0' },
      { pod: 'q', id: 'y', node: 'a-1' },
      { pod: 'r', id: 'x', node: 'b-0' },
      { pod: 's', id: 'x', node: 'vm' },
    ],
    [{ pod: 't', id: 'z', node: 'vm', state: 'Assigned' }],
  )
  assert.deepEqual(updates, {
    '/vmss/a': { add: ['/ids/x', '/ids/y'], remove: [] },
    '/vmss/b': { add: ['/ids/x'], remove: [] },
    '/vm/vm': { add: ['/ids/x'], remove: ['/ids/z'] },
  })
})

test('an identity stays on a machine that a pod of the same name in another namespace, or of another node of the set, still uses', () => {
  const gone: Row = { pod: 'web', id: 'X', state: 'Assigned' }
  const elsewhere: Row = { pod: 'web', podNamespace: 'team', id: 'x', state: 'Assigned', node: 'a-1' }
  const used = machines([elsewhere], [gone, elsewhere])
  assert.deepEqual(used.updates, { '/vmss/a': { add: [], remove: [] } })
  assert.deepEqual(podsOf(used.machines[0]?.release ?? []), ['web'], 'the assignment itself goes')
  const other = { ...elsewhere, node: 'b-0' }
  assert.deepEqual(machines([other], [gone, other]).updates, { '/vmss/a': { add: [], remove: ['/ids/x'] } })
  const unknown = { ...elsewhere, node: 'unknown' }
  const waiting = machines([unknown], [gone, unknown])
  assert.deepEqual(waiting.updates, { '/vmss/a': { add: [], remove: [] } })
  // Without the assignment nothing would remove the identity later.
  assert.deepEqual([waiting.unknownNodes, waiting.machines[0]?.release], [['unknown'], []])
})

test('MIC immutable ids: the assignment goes, and the machine keeps the identity', () => {
  const { updates, machines: works } = machines([], [{ pod: 'a', id: 'x', state: 'Assigned' }], 'x')
  assert.deepEqual(updates, { '/vmss/a': { add: [], remove: [] } })
  assert.deepEqual(podsOf(works[0]?.release ?? []), ['a'])
})

test('an identity that was never assigned is not removed from its machine, where an administrator may have put it', () => {
  assert.deepEqual(machines([], [{ pod: 'a', id: 'x', state: 'Created' }]).updates, {
    '/vmss/a': { add: [], remove: [] },
  })
})

test('service principals and nodes that are gone concern no machine; nodes that are not known wait', () => {
  const principal = machines([{ pod: 'a', id: 'x', type: 1, node: 'unknown' }], [])
  assert.deepEqual(podsOf(principal.withoutMachine.assign), ['a'])
  assert.deepEqual(principal.updates, {})
  const gone = machines([], [{ pod: 'a', id: 'x', state: 'Assigned', node: 'gone' }])
  assert.deepEqual(podsOf(gone.withoutMachine.release), ['a'])
  const unknown = machines([], [{ pod: 'a', id: 'x', state: 'Assigned', node: 'unknown' }])
  assert.deepEqual([unknown.unknownNodes, unknown.withoutMachine.release], [['unknown'], []])
})

test('a pod that moved to another machine takes its identity from the one and to the other', () => {
  const a: Row = { pod: 'a', id: 'x' }
  assert.deepEqual(machines([{ ...a, node: 'b-0' }], [{ ...a, state: 'Assigned' }]).updates, {
    '/vmss/b': { add: ['/ids/x'], remove: [] },
    '/vmss/a': { add: [], remove: ['/ids/x'] },
  })
})
