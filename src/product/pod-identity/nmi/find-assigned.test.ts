import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AssignmentState, AzureAssignedIdentity } from '#kubernetes/client'
import { ImdsRefusal, parseTokenQuery } from '#product/imds'
import { createHurryingClock } from '../../../../test/support/hurrying-clock.ts'
import { createFindAssigned } from './find-assigned.ts'

interface Row {
  name: string
  state?: AssignmentState
  namespace?: string
  namespaced?: boolean
}

function assigned({ name, state = 'Assigned', namespace = 'default', namespaced = false }: Row): AzureAssignedIdentity {
  const apiVersion = 'aadpodidentity.k8s.io/v1'
  const annotations = namespaced ? { 'aadpodidentity.k8s.io/Behavior': 'namespaced' } : {}
  return {
    apiVersion,
    kind: 'AzureAssignedIdentity',
    metadata: { name: `web-default-${name}`, namespace: 'default' },
    spec: {
      azureIdentityRef: {
        apiVersion,
        kind: 'AzureIdentity',
        metadata: { name, namespace, annotations },
        spec: { type: 0, clientID: `client-${name}`, resourceID: `/ids/${name}` },
      },
      azureBindingRef: { apiVersion, kind: 'AzureIdentityBinding', metadata: { name, namespace }, spec: {} },
      pod: 'web',
      podNamespace: 'default',
      nodename: 'node-0',
    },
    ...(state !== '' && { status: { status: state } }),
  }
}

async function find(rows: Row[] | ((now: number) => Row[]), query = '', forceNamespaced = false) {
  const clock = createHurryingClock()
  const findIdentity = createFindAssigned({
    assignmentsOf: async () => (typeof rows === 'function' ? rows(clock.now()) : rows).map(assigned),
    forceNamespaced,
    attemptsForCreated: 16,
    attemptsForAssigned: 4,
    retryMs: 5000,
    clock,
  })
  try {
    const pod = { namespace: 'default', name: 'web' }
    const { metadata } = await findIdentity(
      pod,
      parseTokenQuery(new URLSearchParams(query)),
      new AbortController().signal,
    )
    return { name: metadata.name, seconds: clock.now() / 1000 }
  } catch (error) {
    assert.ok(error instanceof ImdsRefusal)
    assert.equal(error.status, 404)
    return { error: error.message, seconds: clock.now() / 1000 }
  }
}

const failed = (state: string, attempts: number) =>
  `getting assigned identities for pod default/web in ${state} state failed after ${attempts} attempts, retry duration [5]s, error: <nil>. Check MIC pod logs for identity assignment errors`

test('standard lookup: no identities is an error, after 80 seconds', async () => {
  assert.deepEqual(await find([]), { error: failed('CREATED', 16), seconds: 80 })
})

test('standard lookup: of entries without a state, as before 1.5, the first is taken', async () => {
  const rows: Row[] = [
    { name: 'b', state: '' },
    { name: 'a', state: '' },
  ]
  assert.deepEqual(await find(rows), { name: 'a', seconds: 0 })
})

test('standard lookup: only Created is an error, after 100 seconds', async () => {
  assert.deepEqual(await find([{ name: 'a', state: 'Created' }]), { error: failed('ASSIGNED', 20), seconds: 100 })
})

test('standard lookup: of those Assigned the first is taken, whatever else is Created', async () => {
  const rows: Row[] = [{ name: 'a', state: 'Created' }, { name: 'c' }, { name: 'b' }]
  assert.deepEqual(await find(rows), { name: 'b', seconds: 0 })
})

test('standard lookup: a client id that is only Created is an error, and no resource id is taken for it', async () => {
  const { error } = await find([{ name: 'a', state: 'Created' }, { name: 'b' }], 'client_id=client-a')
  assert.equal(error, `clientID in request: ##### REDACTED #####, ${failed('ASSIGNED', 20)}`)
  assert.match((await find([{ name: 'a' }], 'client_id=/ids/a')).error ?? '', /CREATED state/)
})

test('standard lookup: a resource id that is only Created is an error, and no client id is taken for it', async () => {
  assert.match((await find([{ name: 'a', state: 'Created' }], 'msi_res_id=/ids/a')).error ?? '', /ASSIGNED state/)
  assert.match((await find([{ name: 'a' }], 'msi_res_id=client-a')).error ?? '', /CREATED state/)
})

test('standard lookup: the identity of a client id, in any case', async () => {
  assert.equal((await find([{ name: 'a' }, { name: 'b' }], 'client_id=CLIENT-B')).name, 'b')
})

test('standard lookup: the identity of a resource id, in any case', async () => {
  assert.equal((await find([{ name: 'a' }, { name: 'b' }], 'mi_res_id=/IDS/B')).name, 'b')
})

test('standard lookup: a namespaced identity is that of the namespace of the pod', async () => {
  const rows: Row[] = [{ name: 'a', namespace: 'other', namespaced: true }, { name: 'b' }]
  assert.equal((await find(rows)).name, 'b')
  assert.equal((await find([{ name: 'a', namespace: 'other' }, { name: 'b' }], '', true)).name, 'b')
  assert.match((await find([{ name: 'a', namespace: 'other' }], '', true)).error ?? '', /CREATED state/)
})

test('an identity is waited for while the controller is at work', async () => {
  const rows = (now: number): Row[] => {
    if (now < 20_000) return []
    return [{ name: 'a', state: now < 90_000 ? 'Created' : 'Assigned' }]
  }
  assert.deepEqual(await find(rows), { name: 'a', seconds: 90 })
})
