import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CsiNode, DaemonSet, Node, Pod, SecretProviderClassPodStatus } from '#kubernetes/client'
import { driverApp, type NodeFacts, providerApp } from '../product-facts.ts'
import { judgeCsiDriver } from './judge-csi-driver.ts'
import { judgeStatus } from './judge-files.ts'
import { judgeNode } from './judge-node.ts'
import { judgeObjects } from './judge-objects.ts'
import { judgeRestart } from './judge-restart.ts'
import { judgeVolumes } from './judge-volumes.ts'

const driver = 'secrets-store.csi.k8s.io'

function productPod(app: string, { ready = true, image = 'keymount:1', args = [] as string[] } = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'kube-system', name: `${app}-x1`, labels: { app } },
    spec: { nodeName: 'n1', containers: [{ name: 'main', image, args }] },
    status: {
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      containerStatuses: [
        {
          name: 'main',
          ready,
          restartCount: 3,
          image,
          imageID: '',
          state: ready ? {} : { waiting: { reason: 'CrashLoopBackOff' } },
        },
      ],
    },
  }
}

function daemonSet(app: string, template: object): DaemonSet {
  const spec = { selector: { matchLabels: { app } }, template: { spec: { containers: [], ...template } } }
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { namespace: 'kube-system', name: app, labels: { app } },
    spec,
  }
}

function nodeFacts(change: Partial<NodeFacts> = {}): NodeFacts {
  const csiNode: CsiNode = {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSINode',
    metadata: { name: 'n1' },
    spec: { drivers: [{ name: driver, nodeID: 'n1' }] },
  }
  const node: Node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', labels: {} }, spec: {} }
  return {
    name: 'n1',
    node: { value: node },
    csiNode: { value: csiNode },
    pods: { value: [productPod(driverApp), productPod(providerApp)] },
    daemonSets: { value: [daemonSet(driverApp, {}), daemonSet(providerApp, {})] },
    logs: new Map(),
    ...change,
  }
}

const codes = (observations: readonly { state: string; code?: string | undefined }[]) =>
  observations.filter(({ state }) => state !== 'ok').map(({ code, state }) => code ?? state)

import { problem } from '../../identity/doctor/finding.ts'
import { judgeIdentity } from './judge-identity.ts'

test('K2: driver and provider in two pods, or in one', () => {
  assert.deepEqual(codes(judgeNode(nodeFacts(), 'install')), [])
  const combined = nodeFacts({ pods: { value: [productPod(driverApp, { args: ['node', '--x'] })] } })
  assert.deepEqual(codes(judgeNode(combined, 'install')), [])
  const alone = nodeFacts({ pods: { value: [productPod(driverApp)] } })
  assert.deepEqual(codes(judgeNode(alone, 'install')), ['provider-not-on-node'])
})

test('K2: a taint that the DaemonSet does not tolerate, with the command that adds the toleration', () => {
  const tainted = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n1' },
    spec: { taints: [{ key: 'gpu', effect: 'NoSchedule' }] },
  }
  const facts = nodeFacts({
    node: { value: tainted as Node },
    pods: { value: [productPod(providerApp)] },
    daemonSets: {
      value: [daemonSet(driverApp, { tolerations: [{ key: 'spot', operator: 'Exists' }] }), daemonSet(providerApp, {})],
    },
  })
  const [found] = judgeNode(facts, 'install')
  assert.equal(found?.code, 'driver-not-on-node')
  assert.match(found?.text ?? '', /does not tolerate the taint gpu:NoSchedule/)
  assert.match(found?.fix?.[0] ?? '', /^kubectl patch daemonset secrets-store-csi-driver .*"key":"gpu"/)
  const tolerating = nodeFacts({
    node: { value: tainted as Node },
    daemonSets: { value: [daemonSet(driverApp, { tolerations: [{ operator: 'Exists' }] })] },
    pods: { value: [productPod(providerApp)] },
  })
  assert.doesNotMatch(judgeNode(tolerating, 'install')[0]?.text ?? '', /taint/)
})

test('K2: a crash loop has the last line of its log; kubelet may not know the driver; images may differ', () => {
  const crash = nodeFacts({
    pods: { value: [productPod(driverApp), productPod(providerApp, { ready: false })] },
    logs: new Map([[`${providerApp}-x1/main`, 'unknown flag --colour']]),
  })
  const [found] = judgeNode(crash, 'install')
  assert.equal(found?.code, 'provider-not-ready')
  assert.match(found?.text ?? '', /CrashLoopBackOff; its log ends with: unknown flag --colour/)
  const csiNode = { apiVersion: 'storage.k8s.io/v1', kind: 'CSINode', metadata: { name: 'n1' }, spec: { drivers: [] } }
  assert.deepEqual(codes(judgeNode(nodeFacts({ csiNode: { value: csiNode } }), 'install')), ['driver-not-registered'])
  const mixed = nodeFacts({
    pods: { value: [productPod(driverApp), productPod(providerApp, { image: 'keymount:2' })] },
  })
  assert.deepEqual(codes(judgeNode(mixed, 'install')), ['version-skew'])
})

test('K2: of two drivers, the one that is not ready is named; for a pod it is worth knowing', () => {
  const ofRelease = (name: string, pod: Pod): Pod => ({
    ...pod,
    metadata: { ...pod.metadata, name, labels: { ...pod.metadata.labels, 'app.kubernetes.io/instance': name } },
  })
  const second = ofRelease('second', productPod(driverApp, { ready: false, args: ['--drivername=second'] }))
  const pods = { value: [ofRelease('first', productPod(driverApp)), second, productPod(providerApp)] }
  const [found] = judgeNode(nodeFacts({ pods }), 'install')
  assert.deepEqual([found?.state, found?.code], ['fail', 'driver-not-ready'])
  assert.match(found?.text ?? '', /^pod kube-system\/second of the driver is not ready: CrashLoopBackOff/)
  assert.equal(judgeNode(nodeFacts({ pods, isOfPod: true }), 'install')[0]?.state, 'warn')
  const own = ofRelease('own', productPod(driverApp, { ready: false }))
  const ofOwn = nodeFacts({ pods: { value: [...pods.value, own] }, isOfPod: true })
  assert.deepEqual(
    judgeNode(ofOwn, 'install').flatMap(({ state, code }) => (code === 'driver-not-ready' ? [state] : [])),
    ['warn', 'fail'],
  )
  const replaced = { value: [ofRelease('second', productPod(driverApp)), second, productPod(providerApp)] }
  assert.deepEqual(codes(judgeNode(nodeFacts({ pods: replaced }), 'install')), [])
})

test('K1: a missing object, and one that may not be read', () => {
  assert.deepEqual(codes(judgeCsiDriver({ value: undefined }, 'install')), ['csidriver-missing'])
  assert.deepEqual(codes(judgeCsiDriver({ why: 'no right' }, 'install')), ['unknown'])
})

test('D1: a check is late only when neither the quiet time of status writes nor the interval explains its age', () => {
  const nowMs = Date.parse('2026-01-01T12:00:00Z')
  const status = (last: string, next: string | undefined): SecretProviderClassPodStatus => ({
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClassPodStatus',
    metadata: {
      namespace: 'shop',
      annotations: {
        'keymount.dev/last-check': last,
        ...(next === undefined ? {} : { 'keymount.dev/next-check': next }),
      },
    },
    status: { secretProviderClassName: 'db', objects: [{ id: 'secret/a', version: '1' }] },
  })
  const judge = (last: string, next: string | undefined, quietMs = 300_000) =>
    codes(judgeStatus(status(last, next), { nowMs, quietMs }))
  assert.deepEqual(judge('2026-01-01T11:55:00Z', '2026-01-01T11:57:00Z'), [], 'written five minutes ago')
  assert.deepEqual(judge('2026-01-01T11:50:00Z', '2026-01-01T11:52:00Z'), ['check-late'])
  assert.deepEqual(
    judge('2026-01-01T11:50:00Z', '2026-01-01T11:52:00Z', 900_000),
    [],
    'the operator asks for fewer writes',
  )
  assert.deepEqual(judge('2026-01-01T11:10:00Z', '2026-01-01T12:10:00Z'), [], 'an interval of an hour')
  assert.deepEqual(judge('2026-01-01T11:59:00Z', undefined), ['rotation-off'])
  const quiet = status('2025-12-31T12:00:00Z', '2026-01-01T16:00:00Z')
  const annotations = { ...quiet.metadata.annotations, 'keymount.dev/poll-interval': '28h' }
  const [found] = judgeStatus({ ...quiet, metadata: { ...quiet.metadata, annotations } }, { nowMs, quietMs: 300_000 })
  assert.match(
    found?.text ?? '',
    /changes come by events, which are confirmed, and polls every 28h \(next 2026-01-01T16:00:00Z\)/,
  )
})

test('D1: values from before an outage are an error, of the pod and in the summary, and are not late', () => {
  const times = { nowMs: Date.parse('2026-01-01T12:00:00Z'), quietMs: 300_000 }
  const volume = (podName: string, more: Record<string, string> = {}): SecretProviderClassPodStatus => ({
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClassPodStatus',
    metadata: {
      namespace: 'shop',
      annotations: {
        'keymount.dev/last-check': '2026-01-01T11:59:00Z',
        'keymount.dev/next-check': '2026-01-01T12:01:00Z',
        ...more,
      },
    },
    status: { podName, secretProviderClassName: 'db', objects: [] },
  })
  const stale = volume('web-1', { 'keymount.dev/stale-since': '2026-01-01T11:00:00Z' })
  assert.deepEqual(codes(judgeStatus(stale, times)), ['values-stale'])
  assert.equal(judgeStatus(stale, times)[0]?.state, 'fail')
  const [found, ...rest] = judgeVolumes([stale, volume('web-2')], times)
  assert.deepEqual([found?.state, found?.code, codes(rest)], ['fail', 'values-stale', []])
  assert.match(found?.text ?? '', /^1 volume with values from before an outage .*\(shop\/web-1\)$/)
  assert.deepEqual(found?.fix, ['keymount doctor pod/web-1 -n shop'])
})

test('V2: what expired is worth knowing, an optional object may be missing, and rights to list may be', () => {
  const nowMs = 2_000_000
  const wanted = {
    vaultName: 'shop',
    className: 'db',
    object: { type: 'secret', name: 'a', version: '', optional: false },
  } as const
  const judge = (change: object) =>
    codes(
      judgeObjects(
        [{ ...wanted, versions: { value: [] }, isDeleted: false, near: undefined, ...change }],
        new Map(),
        nowMs,
      ),
    )
  assert.deepEqual(judge({ versions: { value: [{ id: 'v/1', attributes: { enabled: true, exp: 1000 } }] } }), [
    'vault-object-expired',
  ])
  assert.deepEqual(judge({}), ['vault-object-missing'])
  assert.deepEqual(judge({ object: { ...wanted.object, optional: true } }), [])
  assert.deepEqual(judge({ versions: { why: 'forbidden' } }), ['unknown'])
  const version = (id: string, enabled: boolean, created: number) => ({ id, attributes: { enabled, created } })
  assert.deepEqual(judge({ versions: { value: [version('v/2', false, 7), version('v/1', true, 7)] } }), ['unknown'])
  assert.deepEqual(judge({ versions: { value: [version('v/2', false, 6), version('v/1', true, 7)] } }), [])
  assert.deepEqual(judge({ versions: { value: [version('v/2', false, 8), version('v/1', true, 7)] } }), [
    'vault-object-disabled',
  ])
})

test('R1: a paused workload is resumed, pods of OnDelete are deleted by hand', () => {
  const preview = {
    kind: 'Deployment',
    namespace: 'shop',
    name: 'web',
    pods: 1,
    stalePods: ['web-1'],
    problems: [],
  } as const
  const [paused] = judgeRestart({ value: { ...preview, action: 'wait', reason: 'paused' } })
  assert.deepEqual(paused?.fix, ['kubectl rollout resume deployment/web --namespace shop'])
  const [byHand] = judgeRestart({ value: { ...preview, action: 'report', reason: 'OnDelete' } })
  assert.deepEqual(byHand?.fix, ['kubectl delete pod web-1 --namespace shop'])
  assert.deepEqual(codes(judgeRestart({ value: undefined })), [])
})

test('I2: a pod that needs only its files is not to be created again for the webhook', () => {
  const findings = [
    problem('webhook', 'webhook-not-ready', 'no webhook is installed', ['az aks update']),
    problem('token', 'pod-token-missing', 'the pod has the label and no token', ['kubectl replace --force']),
  ]
  const section = { about: 'pod' as const, title: 'Pod', findings }
  const { I2 = [] } = judgeIdentity([section], false)
  assert.deepEqual(
    I2.map(({ state, fix }) => [state, fix]),
    [
      ['warn', ['az aks update']],
      ['warn', []],
    ],
  )
  assert.match(I2[1]?.text ?? '', /only an application that uses an Azure SDK needs it/)
  assert.deepEqual(
    judgeIdentity([section], true).I2?.map(({ state }) => state),
    ['fail', 'fail'],
  )
})
