import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createKubeClient, loadKubeconfig, resources } from '#kubernetes/client'
import { startLocalCluster } from '../../support/local-cluster.ts'

const configMaps = '/api/v1/namespaces/default/configmaps'
const as = (kind: string) => ({ headers: { accept: `application/json;as=${kind};g=meta.k8s.io;v=v1` } })

test('a client that asks for metadata alone gets it of an object, of a list and of a watch', async (t) => {
  const cluster = await startLocalCluster(t, { node: false })
  await cluster.request('POST', configMaps, { metadata: { name: 'a', labels: { app: 'a' } }, data: { key: 'value' } })

  const { body: one } = await cluster.request('GET', `${configMaps}/a`, undefined, as('PartialObjectMetadata'))
  assert.deepEqual([one.kind, one.apiVersion, one.metadata.name], ['PartialObjectMetadata', 'meta.k8s.io/v1', 'a'])
  assert.equal(one.data, undefined)

  const { body: list } = await cluster.request(
    'GET',
    `${configMaps}?labelSelector=app`,
    undefined,
    as('PartialObjectMetadataList'),
  )
  assert.equal(list.kind, 'PartialObjectMetadataList')
  assert.deepEqual(
    list.items.map((item: { metadata: { labels: object }; data?: object }) => [item.metadata.labels, item.data]),
    [[{ app: 'a' }, undefined]],
  )

  const kube = createKubeClient(loadKubeconfig(cluster.kubeconfig))
  const { resourceVersion } = list.metadata
  const events = kube.watch(resources.configMaps, { namespace: 'default', metadataOnly: true, resourceVersion })
  await cluster.request('PUT', `${configMaps}/a`, { metadata: { name: 'a' }, data: { key: 'another value' } })
  const { value: event } = await events.next()
  await events.return(undefined)
  assert.deepEqual(
    [event.type, event.object.kind, 'data' in event.object],
    ['MODIFIED', 'PartialObjectMetadata', false],
  )
})
