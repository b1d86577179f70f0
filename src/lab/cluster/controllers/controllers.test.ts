import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { eventually as retried } from '../../../../test/support/eventually.ts'
import { startLocalCluster } from '../../../../test/support/local-cluster.ts'

const namespaced = '/api/v1/namespaces/default'
const apps = '/apis/apps/v1/namespaces/default'
const merge = { headers: { 'content-type': 'application/merge-patch+json' } }

interface Item {
  metadata: { name: string; uid: string; labels: Record<string, string>; deletionTimestamp?: string }
  spec: { nodeName?: string; replicas?: number; containers: { image: string }[] }
  // biome-ignore lint/suspicious/noExplicitAny: tests look into statuses of every kind
  status: any
}

/** Waits until `check` gives a value that is neither undefined nor false. */
function eventually<T>(what: string, check: () => Promise<T | undefined | false>): Promise<T> {
  return retried(async () => {
    const found = await check()
    return found === undefined || found === false ? assert.fail(`did not happen: ${what}`) : found
  })
}

/** A cluster whose pods no node agent runs: the test plays the node. */
async function start(t: TestContext) {
  const { request } = await startLocalCluster(t, { node: false })
  const get = async (path: string): Promise<Item> => (await request('GET', path)).body
  const list = async (path: string): Promise<Item[]> => (await request('GET', path)).body.items
  return {
    request,
    get,
    exists: async (path: string) => (await request('GET', path)).status === 200,
    pods: async () =>
      (await list(`${namespaced}/pods`)).filter(({ metadata }) => metadata.deletionTimestamp === undefined),
    list,
    addNode: (name: string, labels = {}) => request('POST', '/api/v1/nodes', { metadata: { name, labels } }),
    ready: (name: string) => {
      const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }
      return request('PATCH', `${namespaced}/pods/${name}/status`, { status }, merge)
    },
    remove: (path: string, options = {}) => request('DELETE', path, { gracePeriodSeconds: 0, ...options }),
  }
}

const workload = (name: string, spec: object = {}, template: object = {}) => ({
  metadata: { name },
  spec: {
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: 'c', image: 'busybox:1' }], ...template },
    },
    ...spec,
  },
})

const newImage = { spec: { template: { spec: { containers: [{ name: 'c', image: 'busybox:2' }] } } } }

test('a namespace has a default service account and the CA, and gets them back', async (t) => {
  const { request, exists, remove } = await start(t)
  await request('POST', '/api/v1/namespaces', { metadata: { name: 'fresh' } })
  for (const path of ['serviceaccounts/default', 'configmaps/kube-root-ca.crt']) {
    const full = `/api/v1/namespaces/fresh/${path}`
    await eventually(`${full} is made`, () => exists(full))
    await remove(full)
    await eventually(`${full} is made again`, () => exists(full))
  }
})

test('a deleted namespace goes with everything in it', async (t) => {
  const { request, exists } = await start(t)
  await request('POST', '/api/v1/namespaces', { metadata: { name: 'old' } })
  await request('POST', '/api/v1/namespaces/old/secrets', {
    metadata: { name: 'held', finalizers: ['example.com/wait'] },
  })
  const { body } = await request('DELETE', '/api/v1/namespaces/old')
  assert.equal(body.status.phase, 'Terminating')
  const refused = await request('POST', '/api/v1/namespaces/old/secrets', { metadata: { name: 'late' } })
  assert.match(refused.body.message, /unable to create new content in namespace old because it is being terminated/)
  assert.ok(await exists('/api/v1/namespaces/old'))
  await request('PATCH', '/api/v1/namespaces/old/secrets/held', { metadata: { finalizers: [] } }, merge)
  await eventually('the namespace is gone', async () => !(await exists('/api/v1/namespaces/old')))
})

test('a pod is scheduled to a node that fits, and its events explain when there is none', async (t) => {
  const { request, get, addNode } = await start(t)
  const spec = { nodeSelector: { disk: 'ssd' }, containers: [{ name: 'c', image: 'busybox:1' }] }
  await request('POST', `${namespaced}/pods`, { metadata: { name: 'p' }, spec })
  const scheduled = (pod: Item) => pod.status.conditions?.find(({ type }: { type: string }) => type === 'PodScheduled')
  const why = (message: string) =>
    eventually(message, async () => scheduled(await get(`${namespaced}/pods/p`))?.message === message)
  await why('no nodes available to schedule pods')
  await addNode('n1')
  await why("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.")
  await request('PATCH', '/api/v1/nodes/n1', { metadata: { labels: { disk: 'ssd' } } }, merge)
  await eventually('the pod has its node', async () => (await get(`${namespaced}/pods/p`)).spec.nodeName === 'n1')
  assert.equal(scheduled(await get(`${namespaced}/pods/p`)).status, 'True')
})

test('a pod of another scheduler, or with a scheduling gate, gets no node', async (t) => {
  const { request, get, addNode } = await start(t)
  await addNode('n1')
  const containers = [{ name: 'c', image: 'busybox:1' }]
  const pods = {
    others: { containers, schedulerName: 'other' },
    gated: { containers, schedulingGates: [{ name: 'example.com/wait' }] },
    ours: { containers },
  }
  for (const [name, spec] of Object.entries(pods))
    await request('POST', `${namespaced}/pods`, { metadata: { name }, spec })
  await eventually(
    'the last pod has its node',
    async () => (await get(`${namespaced}/pods/ours`)).spec.nodeName === 'n1',
  )
  for (const name of ['others', 'gated'])
    assert.equal((await get(`${namespaced}/pods/${name}`)).spec.nodeName, undefined)
  const gates = { spec: { schedulingGates: [] } }
  await request('PATCH', `${namespaced}/pods/gated`, gates, merge)
  await eventually(
    'the pod without gates has its node',
    async () => (await get(`${namespaced}/pods/gated`)).spec.nodeName === 'n1',
  )
})

test('a daemon set keeps one pod per fitting node, and replaces it when the template changes', async (t) => {
  const { request, pods, get, addNode, ready, remove } = await start(t)
  await addNode('n1', { 'kubernetes.io/os': 'linux' })
  await request('POST', `${apps}/daemonsets`, workload('d', {}, { nodeSelector: { 'kubernetes.io/os': 'linux' } }))
  const [first] = await eventually('there is one pod', async () => (await pods()).length === 1 && pods())
  assert.ok(first !== undefined)
  await ready(first.metadata.name)
  const status = await eventually('it counts as ready', async () => {
    const set = await get(`${apps}/daemonsets/d`)
    return set.status.numberReady === 1 && set.status
  })
  assert.deepEqual([status.desiredNumberScheduled, status.updatedNumberScheduled, status.observedGeneration], [1, 1, 1])

  await remove(`${namespaced}/pods/${first.metadata.name}`)
  const other = await eventually('it is replaced', async () =>
    (await pods()).find(({ metadata }) => metadata.uid !== first.metadata.uid),
  )
  await request('PATCH', `${apps}/daemonsets/d`, newImage, merge)
  await eventually('the old one is deleted', async () =>
    (await pods()).every(({ metadata }) => metadata.uid !== other.metadata.uid),
  )
  await remove(`${namespaced}/pods/${other.metadata.name}`)
  await eventually(
    'the new one has the new image',
    async () => (await pods())[0]?.spec.containers[0]?.image === 'busybox:2',
  )
})

test('a deployment keeps its replicas through a replica set, and changes over at once', async (t) => {
  const { request, pods, get, ready, remove } = await start(t)
  await request('POST', `${apps}/deployments`, workload('w', { replicas: 2 }))
  const two = await eventually('there are two pods', async () => (await pods()).length === 2 && pods())
  for (const { metadata } of two) {
    assert.match(metadata.name, /^w-[0-9a-f]{10}-\w{5}$/)
    await ready(metadata.name)
  }
  await eventually(
    'both count as available',
    async () => (await get(`${apps}/deployments/w`)).status.availableReplicas === 2,
  )
  await remove(`${namespaced}/pods/${two[0]?.metadata.name}`)
  await eventually('a third one takes its place', async () => (await pods()).length === 2)

  await request('PATCH', `${apps}/deployments/w`, newImage, merge)
  await eventually('all pods have the new image', async () => {
    const all = await pods()
    return all.length === 2 && all.every(({ spec }) => spec.containers[0]?.image === 'busybox:2')
  })
  await request('PATCH', `${apps}/deployments/w`, { spec: { replicas: 0 } }, merge)
  await eventually('no pod is left', async () => (await pods()).length === 0)
})

test('a set whose pod is refused reports the reason in an event, continues when it is fixed, and does not block others', async (t) => {
  const { request, pods, list } = await start(t)
  await request('POST', `${apps}/deployments`, workload('a', {}, { serviceAccountName: 'missing' }))
  await request('POST', `${apps}/deployments`, workload('b'))
  await eventually('the other has its pod', async () => (await pods()).length === 1)
  const events = (await list(`${namespaced}/events?fieldSelector=reason%3DFailedCreate`)) as unknown as {
    message: string
  }[]
  assert.match(events[0]?.message ?? '', /^Error creating: pods "a-.*" is forbidden: error looking up service account/)
  await request('POST', `${namespaced}/serviceaccounts`, { metadata: { name: 'missing' } })
  await eventually('both have their pods', async () => (await pods()).length === 2)
})

test('what an object owns goes with it, after it or before it', async (t) => {
  const { request, get, exists, remove } = await start(t)
  const configMaps = `${namespaced}/configmaps`
  const owned = async (name: string) => {
    const { body } = await request('POST', configMaps, { metadata: { name } })
    const reference = { apiVersion: 'v1', kind: 'ConfigMap', name, uid: body.metadata.uid }
    await request('POST', configMaps, { metadata: { name: `${name}-part`, ownerReferences: [reference] } })
  }
  await owned('background')
  await remove(`${configMaps}/background`)
  await eventually('the part is gone', async () => !(await exists(`${configMaps}/background-part`)))

  await owned('foreground')
  await request('PATCH', `${configMaps}/foreground-part`, { metadata: { finalizers: ['example.com/wait'] } }, merge)
  await remove(`${configMaps}/foreground`, { propagationPolicy: 'Foreground' })
  await eventually(
    'the part is being deleted',
    async () => (await get(`${configMaps}/foreground-part`)).metadata.deletionTimestamp,
  )
  assert.ok(await exists(`${configMaps}/foreground`))
  await request('PATCH', `${configMaps}/foreground-part`, { metadata: { finalizers: [] } }, merge)
  await eventually('the owner is gone', async () => !(await exists(`${configMaps}/foreground`)))
})

test('an object of two owners forgets the one that goes, and goes with the last', async (t) => {
  const { request, exists, remove } = await start(t)
  const configMaps = `${namespaced}/configmaps`
  const ownerReferences = []
  for (const name of ['one', 'other']) {
    const { body } = await request('POST', configMaps, { metadata: { name } })
    ownerReferences.push({ apiVersion: 'v1', kind: 'ConfigMap', name, uid: body.metadata.uid })
  }
  await request('POST', configMaps, { metadata: { name: 'shared', ownerReferences } })
  await remove(`${configMaps}/one`)
  await eventually('one owner is forgotten', async () => {
    const { body } = await request('GET', `${configMaps}/shared`)
    return body.metadata.ownerReferences.length === 1 && body.metadata.ownerReferences[0].name === 'other'
  })
  await remove(`${configMaps}/other`, { propagationPolicy: 'Foreground' })
  await eventually('the object is gone', async () => !(await exists(`${configMaps}/shared`)))
  await eventually('its owner too', async () => !(await exists(`${configMaps}/other`)))
})

test('an object whose owner never was is collected, unless the owner is of a kind that the cluster does not have', async (t) => {
  const { request, exists } = await start(t)
  for (const kind of ['Job', 'Pod']) {
    const ownerReferences = [{ apiVersion: kind === 'Job' ? 'batch/v1' : 'v1', kind, name: 'never', uid: 'never' }]
    await request('POST', `${namespaced}/configmaps`, {
      metadata: { name: `of-${kind.toLowerCase()}`, ownerReferences },
    })
  }
  await eventually('it is gone', async () => !(await exists(`${namespaced}/configmaps/of-pod`)))
  assert.ok(await exists(`${namespaced}/configmaps/of-job`))
})

test('the objects of a kind go with its definition', async (t) => {
  const { request, exists, remove } = await start(t)
  const schema = { openAPIV3Schema: { type: 'object' } }
  const spec = {
    ...{ group: 'example.com', scope: 'Namespaced', names: { plural: 'widgets', kind: 'Widget' } },
    versions: [{ name: 'v1', served: true, storage: true, schema }],
  }
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
  const widgets = '/apis/example.com/v1/namespaces/default/widgets'
  const define = () => request('POST', definitions, { metadata: { name: 'widgets.example.com' }, spec })
  await define()
  assert.equal((await request('POST', widgets, { metadata: { name: 'w' } })).status, 201)
  await remove(`${definitions}/widgets.example.com`)
  assert.equal((await request('GET', widgets)).status, 404)
  await define()
  assert.equal(await exists(`${widgets}/w`), false)
})
