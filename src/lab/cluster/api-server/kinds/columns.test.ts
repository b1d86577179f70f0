import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApiObject } from '../api-object.ts'
import { builtInRows } from './built-in-kinds.ts'

const columns = Object.fromEntries(builtInRows.map((row) => [row.plural, row.columns('')]))
const now = Date.parse('2026-01-01T01:00:00Z')
const metadata = { name: 'x', creationTimestamp: '2026-01-01T00:50:00Z' }

function cell(plural: string, column: string, fields: object, more: object = {}): unknown {
  const object: ApiObject = { apiVersion: 'v1', kind: 'Thing', metadata: { ...metadata, ...more }, ...fields }
  return columns[plural]?.find(({ name }) => name === column)?.cell(object, now)
}

test('the columns are those of a real API server', () => {
  const expected: Record<string, string> = {
    pods: 'Name, Ready, Status, Restarts, Age, IP*, Node*, Nominated Node*, Readiness Gates*',
    secrets: 'Name, Type, Data, Age',
    configmaps: 'Name, Data, Age',
    serviceaccounts: 'Name, Secrets, Age',
    services: 'Name, Type, Cluster-IP, External-IP, Port(s), Age, Selector*',
    mutatingwebhookconfigurations: 'Name, Webhooks, Age',
    validatingwebhookconfigurations: 'Name, Webhooks, Age',
    validatingadmissionpolicies: 'Name, Validations, ParamKind, Age',
    validatingadmissionpolicybindings: 'Name, PolicyName, ParamRef, Age',
    poddisruptionbudgets: 'Name, Min Available, Max Unavailable, Allowed Disruptions, Age',
    namespaces: 'Name, Status, Age',
    nodes:
      'Name, Status, Roles, Age, Version, Internal-IP*, External-IP*, OS-Image*, Kernel-Version*, Container-Runtime*',
    events: 'Last Seen, Type, Reason, Object, Subobject*, Source*, Message, First Seen*, Count*, Name*',
    daemonsets:
      'Name, Desired, Current, Ready, Up-to-date, Available, Node Selector, Age, Containers*, Images*, Selector*',
    deployments: 'Name, Ready, Up-to-date, Available, Age, Containers*, Images*, Selector*',
    replicasets: 'Name, Desired, Current, Ready, Age, Containers*, Images*, Selector*',
    customresourcedefinitions: 'Name, Created At',
    csidrivers: 'Name, AttachRequired, PodInfoOnMount, StorageCapacity, TokenRequests, RequiresRepublish, Modes, Age',
    leases: 'Name, Holder, Age',
    csinodes: 'Name, Drivers, Age',
    roles: 'Name, Created At',
    clusterroles: 'Name, Created At',
    rolebindings: 'Name, Role, Age, Users*, Groups*, ServiceAccounts*',
    clusterrolebindings: 'Name, Role, Age, Users*, Groups*, ServiceAccounts*',
  }
  const found = Object.entries(columns).map(([plural, list]) => [
    plural,
    list.map(({ name, priority }) => `${name}${priority === 0 ? '' : '*'}`).join(', '),
  ])
  assert.deepEqual(Object.fromEntries(found), expected)
})

test('the status of a pod is its most specific reason', () => {
  const running = { state: { running: {} }, ready: true }
  const waiting = (reason: string) => ({ state: { waiting: { reason } } })
  const ended = (exitCode: number, more = {}) => ({ state: { terminated: { exitCode, ...more } } })
  const spec = { containers: [{}, {}], initContainers: [{}, {}] }
  const rows: [object, string][] = [
    [{ phase: 'Pending' }, 'Pending'],
    [{ phase: 'Failed', reason: 'Evicted' }, 'Evicted'],
    [{ phase: 'Running', containerStatuses: [running, running] }, 'Running'],
    [{ phase: 'Pending', containerStatuses: [waiting('ContainerCreating')] }, 'ContainerCreating'],
    [{ phase: 'Running', containerStatuses: [running, waiting('CrashLoopBackOff')] }, 'CrashLoopBackOff'],
    [{ phase: 'Succeeded', containerStatuses: [ended(0, { reason: 'Completed' })] }, 'Completed'],
    [{ phase: 'Running', containerStatuses: [ended(0, { reason: 'Completed' }), running] }, 'Running'],
    [{ phase: 'Failed', containerStatuses: [ended(3)] }, 'ExitCode:3'],
    [{ phase: 'Failed', containerStatuses: [ended(137, { signal: 9 })] }, 'Signal:9'],
    [{ phase: 'Pending', initContainerStatuses: [ended(0), running] }, 'Init:1/2'],
    [{ phase: 'Pending', initContainerStatuses: [ended(1, { reason: 'Error' })] }, 'Init:Error'],
    [{ phase: 'Pending', initContainerStatuses: [waiting('PodInitializing')] }, 'Init:0/2'],
  ]
  for (const [status, expected] of rows) assert.equal(cell('pods', 'Status', { spec, status }), expected)
  assert.equal(cell('pods', 'Status', { status: { phase: 'Running' } }, { deletionTimestamp: 'now' }), 'Terminating')
  assert.equal(cell('pods', 'Ready', { spec, status: { containerStatuses: [running, ended(1)] } }), '1/2')
})

test('ages and times are written for people', () => {
  const restarted = { restartCount: 3, lastState: { terminated: { finishedAt: '2026-01-01T00:58:30Z' } } }
  assert.equal(cell('pods', 'Age', {}), '10m')
  assert.equal(cell('pods', 'Restarts', { status: { containerStatuses: [restarted] } }), '3 (90s ago)')
  assert.equal(cell('events', 'Last Seen', { lastTimestamp: '2026-01-01T00:59:00Z' }), '60s')
  assert.equal(cell('events', 'Last Seen', {}), '<unknown>')
})

test('nodes, bindings and drivers are summarized in their columns', () => {
  const ready = {
    conditions: [{ type: 'Ready', status: 'True' }],
    addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
  }
  assert.equal(cell('nodes', 'Status', { status: ready }), 'Ready')
  assert.equal(cell('nodes', 'Status', { status: ready, spec: { unschedulable: true } }), 'Ready,SchedulingDisabled')
  assert.equal(cell('nodes', 'Roles', {}), '<none>')
  assert.equal(cell('nodes', 'Internal-IP', { status: ready }), '10.0.0.1')
  const subjects = [
    { kind: 'User', name: 'u' },
    { kind: 'ServiceAccount', namespace: 'n', name: 's' },
  ]
  const binding = { roleRef: { kind: 'ClusterRole', name: 'r' }, subjects }
  assert.equal(cell('rolebindings', 'Role', binding), 'ClusterRole/r')
  assert.equal(cell('rolebindings', 'ServiceAccounts', binding), 'n/s')
  assert.equal(
    cell('csidrivers', 'TokenRequests', { spec: { tokenRequests: [{ audience: 'a' }, { audience: 'b' }] } }),
    'a,b',
  )
  assert.equal(cell('csidrivers', 'TokenRequests', {}), '<unset>')
})
