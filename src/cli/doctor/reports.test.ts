import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeEvent, Pod } from '#kubernetes/client'
import { reportsOf } from './reports.ts'

function pod(phase: 'Pending' | 'Running'): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'shop', name: 'web' },
    spec: { containers: [] },
    status: { phase },
  }
}

function event(reason: string, message: string, lastTimestamp: string): KubeEvent {
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: {},
    involvedObject: { name: 'web' },
    reason,
    message,
    lastTimestamp,
  }
}

const mount = 'MountVolume.SetUp failed for volume "secrets" : rpc error: code = Unknown desc = '

test('the latest failed mount of a pod that waits, at the first step of its codes; none of a pod that runs', () => {
  const events = [
    event(
      'FailedMount',
      `${mount}[vault-object-missing] failed to get a; [vault-forbidden] failed to get b`,
      '2026-01-01T10:00:00Z',
    ),
    event('FailedMount', `${mount}[class-not-found] no class`, '2026-01-01T09:00:00Z'),
  ]
  const [report] = reportsOf(pod('Pending'), events, [])
  assert.deepEqual([report?.step, report?.code, report?.at], ['I9', 'vault-forbidden', '2026-01-01T10:00:00Z'])
  assert.deepEqual(reportsOf(pod('Running'), events, []), [])
})

test('a failed mount is history once the volume that it names is mounted, also of a pod that still waits for something else', () => {
  const at = (time: string) => event('FailedMount', `${mount}[vault-forbidden] no role`, time)
  const waiting: Pod = {
    ...pod('Pending'),
    spec: {
      containers: [],
      volumes: ['secrets', 'others'].map((name) => ({
        name,
        csi: { driver: 'secrets-store.csi.k8s.io', volumeAttributes: { secretProviderClass: `of-${name}` } },
      })),
    },
  }
  const mounted = (className: string, annotations: Record<string, string> = {}) => ({
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClassPodStatus',
    metadata: { creationTimestamp: '2026-01-01T10:00:00Z', annotations },
    status: { podName: 'web', secretProviderClassName: className },
  })
  const reported = (time: string, ...statuses: ReturnType<typeof mounted>[]) =>
    reportsOf(waiting, [at(time)], statuses).map(({ code }) => code)
  assert.deepEqual(reported('2026-01-01T09:59:59Z', mounted('of-secrets')), [])
  assert.deepEqual(reported('2026-01-01T09:59:59Z', mounted('of-others')), ['vault-forbidden'])
  assert.deepEqual(reported('2026-01-01T10:00:01Z', mounted('of-secrets')), ['vault-forbidden'])
  const checked = { 'keymount.dev/last-check': '2026-01-01T10:01:00.5Z' }
  assert.deepEqual(reported('2026-01-01T10:01:00Z', mounted('of-secrets', checked)), [])
  const failing = { ...checked, 'keymount.dev/last-failure': '[vault-unreachable] no answer' }
  assert.ok(reported('2026-01-01T10:01:00Z', mounted('of-secrets', failing)).includes('vault-forbidden'))
})

test('a driver that kubelet does not know is ours, or a misspelt name', () => {
  const unknown = (name: string) =>
    event('FailedMount', `driver name ${name} not found in the list of registered CSI drivers`, '')
  const code = (name: string) => reportsOf(pod('Pending'), [unknown(name)], [])[0]?.code
  assert.equal(code('secrets-store.csi.k8s.io'), 'driver-not-registered')
  assert.equal(code('secret-store.csi.k8s.io'), 'driver-name-wrong')
})

test('the failure of a rotation is where its code belongs, or with the files', () => {
  const status = (failure: string) => ({
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClassPodStatus',
    metadata: { annotations: { 'keymount.dev/last-failure': failure } },
    status: { podName: 'web', secretProviderClassName: 'db' },
  })
  assert.equal(reportsOf(pod('Running'), [], [status('[vault-forbidden] no role')])[0]?.step, 'I9')
  assert.equal(reportsOf(pod('Running'), [], [status('something else')])[0]?.code, 'rotation-failing')
})

test('a volume with values from before an outage fails the step that did not answer, with the reason that the driver recorded', () => {
  const since = '2026-01-01T09:00:00Z'
  const status = {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClassPodStatus',
    metadata: { annotations: { 'keymount.dev/stale-since': since } },
    status: { podName: 'web', secretProviderClassName: 'db' },
  }
  const stale = (reason: string) =>
    event('MountedStale', `the volume has values of ${since}, because ${reason}; they are read again every 15 s`, since)
  const [ofVault] = reportsOf(pod('Running'), [stale('vault shop cannot answer [vault-connection-refused]')], [status])
  assert.deepEqual([ofVault?.step, ofVault?.code], ['V1', 'vault-connection-refused'])
  assert.match(ofVault?.text ?? '', /^class db: the values are those of \S+, because vault shop cannot answer \[/)
  const [ofEntra] = reportsOf(pod('Running'), [stale('Entra cannot answer [entra-unreachable]')], [status])
  assert.deepEqual([ofEntra?.step, ofEntra?.code], ['I8', 'entra-unreachable'])
  const [withoutEvent] = reportsOf(pod('Running'), [], [status])
  assert.deepEqual([withoutEvent?.step, withoutEvent?.code], ['V1', 'values-stale'])
})
