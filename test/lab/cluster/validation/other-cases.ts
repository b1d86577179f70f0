import { casesOf, scratchNamespace } from './case.ts'

const account = (fields: object = {}, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name: 'one', ...metadata },
  ...fields,
})

export const serviceAccountCases = casesOf('serviceaccounts', {
  'a service account': account(),
  'a service account for workload identity': account(
    {},
    { annotations: { 'azure.workload.identity/client-id': '0' }, labels: { 'azure.workload.identity/use': 'true' } },
  ),
  'a service account with pull secrets': account({ imagePullSecrets: [{ name: 'a' }], secrets: [{ name: 'b' }] }),
  'a service account that mounts no token': account({ automountServiceAccountToken: false }),
  'a name with dots': account({}, { name: 'a.b' }),
  'a name in upper case': account({}, { name: 'One' }),
  'a text as automount': account({ automountServiceAccountToken: 'no' }),
  'a text as pull secret': account({ imagePullSecrets: ['a'] }),
  'an unknown field of a pull secret': account({ imagePullSecrets: [{ names: 'a' }] }),
})

const lease = (spec: unknown, metadata: object = {}) => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name: 'one', ...metadata },
  spec,
})
const time = '2026-01-02T03:04:05.000000Z'

export const leaseCases = casesOf('apis/coordination.k8s.io/v1/leases', {
  'a Lease': lease({
    ...{ holderIdentity: 'a', leaseDurationSeconds: 15, acquireTime: time, renewTime: time, leaseTransitions: 0 },
  }),
  'a Lease without a spec': lease(undefined),
  'a Lease of a null spec': lease(null),
  'a Lease without a holder': lease({ holderIdentity: '' }),
  'a duration of 0': lease({ leaseDurationSeconds: 0 }),
  'a negative duration': lease({ leaseDurationSeconds: -1 }),
  'negative transitions': lease({ leaseTransitions: -1 }),
  'a text as duration': lease({ leaseDurationSeconds: '15' }),
  'a fraction as duration': lease({ leaseDurationSeconds: 1.5 }),
  'a duration that does not fit': lease({ leaseDurationSeconds: 3_000_000_000 }),
  'a time in whole seconds': lease({ renewTime: '2026-01-02T03:04:05Z' }),
  'a time in milliseconds': lease({ renewTime: '2026-01-02T03:04:05.123Z' }),
  'a time that is not a time': lease({ renewTime: 'yesterday' }),
  'a number as time': lease({ renewTime: 1 }),
  'a preferred holder without a strategy': lease({ preferredHolder: 'a' }),
  'a strategy': lease({ holderIdentity: 'a', preferredHolder: 'b', strategy: 'OldestEmulationVersion' }),
  'an unknown field': lease({ holder: 'a' }),
  'a name in upper case': lease({}, { name: 'One' }),
  'an update without a version': [lease({}), lease({}, { resourceVersion: '' })],
  'a new duration of 0': [lease({ leaseDurationSeconds: 15 }), lease({ leaseDurationSeconds: 0 })],
})

const pod = { apiVersion: 'v1', kind: 'Pod', name: 'p', namespace: scratchNamespace }
const seconds = '2026-01-02T03:04:05Z'
const event = (fields: object = {}, metadata: object = {}) => ({
  ...{ apiVersion: 'v1', kind: 'Event', metadata: { name: 'p.1', ...metadata } },
  ...{ involvedObject: pod, reason: 'R', message: 'm', type: 'Normal', count: 1 },
  ...{ firstTimestamp: seconds, lastTimestamp: seconds, source: { component: 'c' } },
  ...fields,
})
const modern = {
  ...{ eventTime: time, reportingComponent: 'example.com/c', reportingInstance: 'i', action: 'A' },
}

export const eventCases = casesOf('events', {
  'an Event': event(),
  'an Event of a component': event({ reportingComponent: 'c', reportingInstance: 'i' }),
  'an Event without an object': event({ involvedObject: {} }),
  'an Event about another namespace': event({ involvedObject: { ...pod, namespace: 'default' } }),
  'an Event about an object of the cluster': event({ involvedObject: { kind: 'Node', name: 'n' } }),
  'an Event of an unknown type': event({ type: 'Bad' }),
  'an Event without a type': event({ type: '' }),
  'an Event without a reason': event({ reason: '' }),
  'a reason of 129 characters': event({ reason: 'r'.repeat(129) }),
  'a message of 1,025 characters': event({ message: 'm'.repeat(1025) }),
  'an Event in the new form': event(modern),
  'the new form without an action': event({ ...modern, action: '' }),
  'the new form without a component': event({ ...modern, reportingComponent: '' }),
  'the new form without an instance': event({ ...modern, reportingInstance: '' }),
  'the new form with a long message': event({ ...modern, message: 'm'.repeat(1025) }),
  'the new form of an unknown type': event({ ...modern, type: 'Bad' }),
  'a time that is not a time': event({ lastTimestamp: 'yesterday' }),
  'a text as count': event({ count: '1' }),
  'a name in upper case': event({}, { name: 'P.1' }),
  'an unknown field': event({ component: 'c' }),
})
