import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeClient, Pod, Resource } from '#kubernetes/client'
import { besidePods, driverApp, gatherProduct } from './product-facts.ts'

function pod(namespace: string, spec: object): Pod {
  const metadata = { namespace, name: 'p', labels: { app: driverApp } }
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [], ...spec } }
}

const onNode = pod('kube-system', { volumes: [{ name: 'v', hostPath: { path: '/var/lib/kubelet' } }] })
const onWindows = pod('windows', { securityContext: { windowsOptions: { hostProcess: true } } })
const forged = pod('evil', { volumes: [{ name: 'v', emptyDir: {} }] })

function kubeWith(pods: readonly Pod[]): KubeClient {
  const sets = ['evil', 'kube-system'].map((namespace) => ({ metadata: { namespace, name: 'd' } }))
  const list = async ({ plural }: Resource) => ({ items: plural === 'pods' ? pods : sets })
  return { list } as unknown as KubeClient
}

test('pods with the labels of driver and provider count where they have something of their node, and DaemonSets beside them', async () => {
  const { pods, daemonSets } = await gatherProduct(kubeWith([forged, onNode, onWindows]))
  assert.deepEqual(pods, { value: [onNode, onWindows] })
  const names = (answer: typeof daemonSets) =>
    'value' in answer ? answer.value.map(({ metadata }) => metadata.namespace) : []
  assert.deepEqual(names(daemonSets), ['kube-system'])
  const without = await gatherProduct(kubeWith([forged]))
  assert.deepEqual([without.pods, names(without.daemonSets)], [{ value: [] }, ['evil', 'kube-system']])
})

test('an operator of another namespace than driver and provider is one of these only where it is the only one', () => {
  const [evil, own] = ['evil', 'kube-system'].map((namespace) => pod(namespace, {}))
  assert.ok(evil !== undefined && own !== undefined)
  assert.deepEqual(besidePods([evil, own], [onNode]), [own])
  assert.deepEqual(besidePods([evil], [onNode]), [evil])
})
