import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resources } from '#kubernetes/client'
import { silentLog } from '#lib'
import { kubeClientOf } from '../../../test/support/kube-client-of.ts'
import { startLocalCluster } from '../../../test/support/local-cluster.ts'
import { followServiceAccounts } from './service-accounts.ts'

test('of the annotations of a service account only those are stored that the webhook reads, and a part of a huge one', async (t) => {
  const cluster = await startLocalCluster(t)
  const kube = kubeClientOf(t, cluster.kubeconfig)
  const annotations = {
    'azure.workload.identity/client-id': 'client',
    'azure.workload.identity/tenant-id': 'x'.repeat(100_000),
    'azure.workload.identity/note': 'x'.repeat(100_000),
    'example.com/note': 'x',
  }
  const create = (name: string) =>
    kube.create(resources.serviceAccounts, {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name, namespace: 'default', annotations },
    })
  await create('watched')
  const accounts = followServiceAccounts({ kube, log: silentLog, labelSelector: '' })
  t.after(() => accounts.stop())
  await accounts.synced
  await create('read')
  for (const name of ['watched', 'read']) {
    assert.deepEqual(await accounts.annotationsOf('default', name), {
      'azure.workload.identity/client-id': 'client',
      'azure.workload.identity/tenant-id': 'x'.repeat(1024),
    })
  }
})
