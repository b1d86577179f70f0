import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeClient, Pod, Resource } from '#kubernetes/client'
import { driverApp } from '../doctor/product-facts.ts'
import { readStatus } from './status.ts'

function pod(namespace: string, app: string, spec: object): Pod {
  const metadata = { namespace, name: app, uid: `${namespace}/${app}`, labels: { app } }
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [], ...spec }, status: { phase: 'Running' } }
}

const driver = pod('kube-system', driverApp, { volumes: [{ name: 'v', hostPath: { path: '/var/lib/kubelet' } }] })
const operatorIn = (namespace: string) =>
  pod(namespace, 'keymount-operator', {
    containers: [{ name: 'o', args: ['--events-queue=https://x', '--metrics-bind-address=:38085'] }],
  })

/** Every operator's metrics are those of one that works. Gives the paths that were asked for, too. */
function clusterOf(...pods: Pod[]): { kube: KubeClient; asked: string[] } {
  const asked: string[] = []
  const list = async ({ plural }: Resource, { labelSelector = '' }: { labelSelector?: string } = {}) => {
    if (plural !== 'pods') return { items: [] }
    return { items: pods.filter(({ metadata }) => labelSelector.includes(metadata.labels?.app ?? '')) }
  }
  const raw = async ({ path }: { path: string }) => {
    asked.push(path)
    return 'events_source_up{source="queue"} 1\nevents_confirmed{vault="shop"} 1\n'
  }
  return { kube: { list, raw } as unknown as KubeClient, asked }
}

test('a pod with the label of the operator in another namespace than the drivers does not count, even where it is the only one', async () => {
  const { kube, asked } = clusterOf(driver, operatorIn('tenant'))
  const { pods, figures, ignored, unanswered } = await readStatus(kube)
  assert.deepEqual(pods, { value: [] })
  assert.ok('why' in figures)
  assert.match(figures.why, /no operator runs/)
  assert.deepEqual([ignored, unanswered, asked], [['tenant/keymount-operator'], [], []])
})

test('the operator beside the drivers is asked, and those of other namespaces are named', async () => {
  const { kube, asked } = clusterOf(driver, operatorIn('tenant'), operatorIn('kube-system'))
  const { pods, figures, ignored } = await readStatus(kube)
  assert.deepEqual(pods, { value: ['kube-system/keymount-operator'] })
  assert.deepEqual('value' in figures && figures.value.sources, [{ name: 'queue', up: true }])
  assert.deepEqual(ignored, ['tenant/keymount-operator'])
  assert.deepEqual(asked, ['/api/v1/namespaces/kube-system/pods/keymount-operator:38085/proxy/metrics'])
})

test('where no driver is known, the operator of any namespace is asked', async () => {
  const { pods, ignored } = await readStatus(clusterOf(operatorIn('events')).kube)
  assert.deepEqual([pods, ignored], [{ value: ['events/keymount-operator'] }, []])
})
