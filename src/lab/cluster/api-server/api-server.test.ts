import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createRemoteJWKSet, customFetch, decodeJwt, jwtVerify } from 'jose'
import { eventually } from '../../../../test/support/eventually.ts'
import { startLocalCluster, type TestCluster } from '../../../../test/support/local-cluster.ts'

const start = (t: TestContext, overrides = {}) => startLocalCluster(t, { node: false, ...overrides })

const namespaced = '/api/v1/namespaces/default'
const configMaps = `${namespaced}/configmaps`
const rbac = '/apis/rbac.authorization.k8s.io/v1'
const merge = { headers: { 'content-type': 'application/merge-patch+json' } }

const configMap = (name: string, data = {}, metadata = {}) => ({ metadata: { name, ...metadata }, data })
const pod = (name: string) => ({ metadata: { name }, spec: { containers: [{ name: 'app', image: 'busybox:1' }] } })

async function names(cluster: TestCluster, path: string): Promise<string[]> {
  const { status, body } = await cluster.request('GET', path)
  assert.equal(status, 200, body.message)
  return body.items.map((item: { metadata: { name: string } }) => item.metadata.name)
}

async function tokenOf(cluster: TestCluster, account = 'default', spec = {}): Promise<string> {
  const { status, body } = await cluster.request('POST', `${namespaced}/serviceaccounts/${account}/token`, { spec })
  assert.equal(status, 201, body.message)
  return body.status.token
}

test('an anonymous caller may read health, version and the documents of the token issuer, and nothing else', async (t) => {
  const cluster = await start(t)
  for (const path of [
    '/healthz',
    '/livez',
    '/readyz',
    '/version',
    '/.well-known/openid-configuration',
    '/openid/v1/jwks',
  ]) {
    assert.equal((await cluster.request('GET', path, undefined, { token: '' })).status, 200, path)
  }
  const { status, body } = await cluster.request('GET', `${namespaced}/pods`, undefined, { token: '' })
  assert.equal(status, 403)
  assert.equal(body.reason, 'Forbidden')
  const user = 'User "system:anonymous" cannot list resource "pods" in API group "" in the namespace "default"'
  assert.equal(body.message, `pods is forbidden: ${user}`)
  const paths = await cluster.request('GET', '/apis', undefined, { token: '' })
  assert.equal(paths.body.message, 'forbidden: User "system:anonymous" cannot get path "/apis"')
  assert.equal((await cluster.request('GET', '/version', undefined, { token: 'x.y.z' })).status, 401)
})

test('a service account token is verified by a relying party with the published keys', async (t) => {
  const cluster = await start(t)
  const token = await tokenOf(cluster, 'default', { audiences: ['api://AzureADTokenExchange'], expirationSeconds: 600 })
  const discovery = await cluster.request('GET', '/.well-known/openid-configuration', undefined, { token: '' })
  assert.equal(discovery.body.issuer, cluster.issuer)
  const { pathname } = new URL(discovery.body.jwks_uri)
  const keys = createRemoteJWKSet(new URL(discovery.body.jwks_uri), {
    [customFetch]: async () => Response.json((await cluster.request('GET', pathname, undefined, { token: '' })).body),
  })
  const { payload, protectedHeader } = await jwtVerify(token, keys, {
    issuer: cluster.issuer,
    audience: 'api://AzureADTokenExchange',
    subject: 'system:serviceaccount:default:default',
  })
  assert.equal(protectedHeader.alg, 'RS256')
  assert.equal(Number(payload.exp) - Number(payload.iat), 600)
})

test('the published keys have one media type, and a client that does not take it is refused', async (t) => {
  const cluster = await start(t)
  const get = async (accept: string) => {
    const { status, headers } = await cluster.request('GET', '/openid/v1/jwks', undefined, { headers: { accept } })
    return [status, headers['content-type']]
  }
  assert.deepEqual(await get('application/json'), [406, 'application/json'])
  for (const accept of ['*/*', 'application/jwk-set+json', 'application/json, application/jwk-set+json;q=0.9'])
    assert.deepEqual(await get(accept), [200, 'application/jwk-set+json'])
})

test('a token works at the API only with its audience, before its end, and while its account and pod live', async (t) => {
  const cluster = await start(t)
  await cluster.request('POST', `${namespaced}/serviceaccounts`, { metadata: { name: 'robot' } })
  const created = await cluster.request('POST', `${namespaced}/pods`, {
    ...pod('p'),
    spec: { ...pod('p').spec, serviceAccountName: 'robot' },
  })
  const reviews = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
  const whoami = (token: string) => cluster.request('POST', reviews, {}, { token })
  const foreign = await tokenOf(cluster, 'robot', { audiences: ['vault'] })
  assert.equal((await whoami(foreign)).status, 401)

  const uid = created.body.metadata.uid
  const bound = await tokenOf(cluster, 'robot', { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p', uid } })
  const { body } = await whoami(bound)
  assert.equal(body.status.userInfo.username, 'system:serviceaccount:default:robot')
  assert.deepEqual(body.status.userInfo.extra['authentication.kubernetes.io/pod-name'], ['p'])
  const claims = decodeJwt(bound)['kubernetes.io'] as { pod: { name: string } }
  assert.equal(claims.pod.name, 'p')
  await cluster.request('DELETE', `${namespaced}/pods/p`)
  assert.equal((await whoami(bound)).status, 401)

  const free = await tokenOf(cluster, 'robot')
  assert.equal((await whoami(free)).status, 201)
  await cluster.request('DELETE', `${namespaced}/serviceaccounts/robot`)
  assert.equal((await whoami(free)).status, 401)

  const wrong = { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p', uid } }
  const refused = await cluster.request('POST', `${namespaced}/serviceaccounts/default/token`, { spec: wrong })
  assert.equal(refused.body.message, 'pods "p" not found')
})

test('a role gives its verbs on its resources in its namespace, and no more', async (t) => {
  const cluster = await start(t)
  const token = await tokenOf(cluster)
  const get = async (path: string) => (await cluster.request('GET', path, undefined, { token })).status
  assert.equal(await get(configMaps), 403)
  const rules = [
    { apiGroups: [''], resources: ['configmaps'], verbs: ['list'] },
    { apiGroups: [''], resources: ['configmaps'], resourceNames: ['kube-root-ca.crt'], verbs: ['get'] },
    { apiGroups: [''], resources: ['secrets'], resourceNames: ['mine'], verbs: ['list'] },
  ]
  await cluster.request('POST', `${rbac}/namespaces/default/roles`, { metadata: { name: 'reader' }, rules })
  const subjects = [{ kind: 'ServiceAccount', name: 'default', namespace: 'default' }]
  const binding = { metadata: { name: 'reader' }, roleRef: { kind: 'Role', name: 'reader' }, subjects }
  await cluster.request('POST', `${rbac}/namespaces/default/rolebindings`, binding)
  assert.equal(await get(configMaps), 200)
  assert.equal(await get(`${configMaps}/kube-root-ca.crt`), 200)
  assert.equal(await get(`${configMaps}/other`), 403)
  assert.equal(await get(`${namespaced}/secrets?fieldSelector=metadata.name%3Dmine`), 200)
  assert.equal(await get(`${namespaced}/secrets?fieldSelector=metadata.name%3Dother`), 403)
  assert.equal(await get(`${namespaced}/secrets`), 403)
  assert.equal(await get(`${configMaps}?watch=true`), 403)
  assert.equal(await get('/api/v1/configmaps'), 403)
  assert.equal(await get('/api/v1/namespaces/kube-system/configmaps'), 403)
  assert.equal((await cluster.request('POST', configMaps, configMap('x'), { token })).status, 403)
})

test('lists select by labels and fields, and come in pages', async (t) => {
  const cluster = await start(t)
  for (const [name, labels] of Object.entries({ a: { tier: 'front' }, b: { tier: 'back', x: '' }, c: {} })) {
    await cluster.request('POST', '/api/v1/namespaces', { metadata: { name, labels } })
  }
  const spaces = (selector: string) => names(cluster, `/api/v1/namespaces?${selector}`)
  const label = (text: string) =>
    spaces(`labelSelector=${encodeURIComponent(`kubernetes.io/metadata.name in (a,b,c),${text}`)}`)
  assert.deepEqual(await label('tier'), ['a', 'b'])
  assert.deepEqual(await label('!tier'), ['c'])
  assert.deepEqual(await label('tier=front'), ['a'])
  assert.deepEqual(await label('tier!=front'), ['b', 'c'])
  assert.deepEqual(await label('tier in (front, back),x='), ['b'])
  assert.deepEqual(await label('tier notin (front)'), ['b', 'c'])
  assert.deepEqual(await spaces('fieldSelector=metadata.name=a'), ['a'])
  assert.deepEqual(await spaces('fieldSelector=metadata.name!=a,status.phase=Active'), [
    'b',
    'c',
    'default',
    'kube-system',
  ])
  const unsupported = await cluster.request('GET', '/api/v1/namespaces?fieldSelector=spec.x=1')
  assert.deepEqual([unsupported.status, unsupported.body.message], [400, 'field label not supported: spec.x'])

  const first = await cluster.request('GET', '/api/v1/namespaces?limit=3')
  assert.equal(first.body.items.length, 3)
  assert.equal(first.body.metadata.remainingItemCount, 2)
  const rest = await cluster.request('GET', `/api/v1/namespaces?limit=3&continue=${first.body.metadata.continue}`)
  assert.deepEqual(
    rest.body.items.map((item: { metadata: { name: string } }) => item.metadata.name),
    ['default', 'kube-system'],
  )
  assert.equal(rest.body.metadata.continue, undefined)
  assert.equal(rest.body.metadata.resourceVersion, first.body.metadata.resourceVersion)
})

test('a watch goes on from a list, sees objects enter and leave its selector, and ends with a bookmark', async (t) => {
  const cluster = await start(t)
  const { body } = await cluster.request('GET', configMaps)
  const from = `resourceVersion=${body.metadata.resourceVersion}`
  await cluster.request('POST', configMaps, configMap('x'))
  const label = (app: string | null) =>
    cluster.request('PATCH', `${configMaps}/x`, { metadata: { labels: { app } } }, merge)
  await label('a')
  await cluster.request('PATCH', `${configMaps}/x`, { data: { k: 'v' } }, merge)
  await label(null)
  await cluster.request(
    'POST',
    '/api/v1/namespaces/kube-system/configmaps',
    configMap('elsewhere', {}, { labels: { app: 'a' } }),
  )
  const read = async (query: string, count: number) => {
    const lines = await cluster.lines(
      `${configMaps}?watch=true&timeoutSeconds=1&${from}&${query}`,
      (all) => all.length >= count,
    )
    return lines.map((line) => JSON.parse(line))
  }
  const all = await read('', 4)
  assert.deepEqual(
    all.map(({ type }) => type),
    ['ADDED', 'MODIFIED', 'MODIFIED', 'MODIFIED'],
  )
  assert.equal(all[0].object.kind, 'ConfigMap')
  const selected = await read('labelSelector=app%3Da&allowWatchBookmarks=true', 4)
  assert.deepEqual(
    selected.map(({ type }) => type),
    ['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK'],
  )
  const now = await cluster.request('GET', configMaps)
  assert.equal(selected[3].object.metadata.resourceVersion, now.body.metadata.resourceVersion)
})

test('a watch without a version begins with everything that is there', async (t) => {
  const cluster = await start(t)
  await cluster.request('POST', configMaps, configMap('x'))
  const fields = 'fieldSelector=metadata.name%3Dx'
  const [line = ''] = await cluster.lines(`${configMaps}?watch=true&${fields}`, (lines) => lines.length === 1)
  assert.equal(JSON.parse(line).type, 'ADDED')
  const streamed = await cluster.lines(
    `${configMaps}?watch=true&${fields}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan`,
    (lines) => lines.length === 2,
  )
  const bookmark = JSON.parse(streamed[1] ?? '')
  assert.equal(bookmark.object.metadata.annotations['k8s.io/initial-events-end'], 'true')
})

test('a watch from a version that is forgotten answers 410', async (t) => {
  const cluster = await start(t)
  await cluster.stop()
  const again = await start(t, { stateDir: cluster.stateDir })
  const [line = ''] = await again.lines(`${configMaps}?watch=true&resourceVersion=1`, (lines) => lines.length === 1)
  const { type, object } = JSON.parse(line)
  assert.deepEqual([type, object.code, object.reason], ['ERROR', 410, 'Expired'])
})

test('a write on an old version conflicts, and one without a version does not', async (t) => {
  const cluster = await start(t)
  const { body } = await cluster.request('POST', configMaps, configMap('x', { a: '1' }))
  const changed = { ...body, data: { a: '2' } }
  assert.equal((await cluster.request('PUT', `${configMaps}/x`, changed)).status, 200)
  const stale = await cluster.request('PUT', `${configMaps}/x`, { ...body, data: { a: '3' } })
  assert.equal(stale.status, 409)
  assert.match(stale.body.message, /Operation cannot be fulfilled on configmaps "x": the object has been modified/)
  const { resourceVersion: _, ...metadata } = body.metadata
  assert.equal((await cluster.request('PUT', `${configMaps}/x`, { ...body, metadata, data: { a: '3' } })).status, 200)
  const wrongUid = { preconditions: { uid: 'other' } }
  assert.equal((await cluster.request('DELETE', `${configMaps}/x`, wrongUid)).status, 409)
  const twice = await cluster.request('POST', configMaps, configMap('x'))
  assert.deepEqual(
    [twice.status, twice.body.reason, twice.body.message],
    [409, 'AlreadyExists', 'configmaps "x" already exists'],
  )
})

test('a write that changes nothing makes no new version', async (t) => {
  const cluster = await start(t)
  const { body } = await cluster.request('POST', configMaps, configMap('x', { a: '1' }))
  const same = await cluster.request('PATCH', `${configMaps}/x`, { data: { a: '1' } }, merge)
  assert.equal(same.body.metadata.resourceVersion, body.metadata.resourceVersion)
})

test('a dry run answers as the write would, and writes nothing', async (t) => {
  const cluster = await start(t)
  const created = await cluster.request('POST', `${configMaps}?dryRun=All`, configMap('x'))
  assert.equal(created.status, 201)
  assert.equal((await cluster.request('GET', `${configMaps}/x`)).status, 404)
})

test('an object is refused with every mistake in it', async (t) => {
  const cluster = await start(t)
  const broken = {
    metadata: { name: 'Not_A_Name', labels: { a: 'b c' } },
    spec: { restartPolicy: 'Sometimes', containers: [{ name: 'c', volumeMounts: [{ name: 'v', mountPath: '/v' }] }] },
  }
  const { status, body } = await cluster.request('POST', `${namespaced}/pods`, broken)
  assert.equal(status, 422)
  assert.deepEqual(
    body.details.causes.map(({ field }: { field: string }) => field),
    [
      'metadata.name',
      'metadata.labels',
      'spec.containers[0].image',
      'spec.containers[0].volumeMounts[0].name',
      'spec.restartPolicy',
    ],
  )
  const refusals: [string, unknown, string][] = [
    [
      configMaps,
      { metadata: { name: 'x' }, data: { a: 1 } },
      'json: cannot unmarshal number into Go struct field ConfigMap.data of type string',
    ],
    [`${namespaced}/secrets`, { metadata: { name: 'x' }, data: { a: '!!' } }, 'illegal base64 data at input byte 0'],
    [configMaps, { kind: 'Secret', metadata: { name: 'x' } }, 'expected v1, Kind=ConfigMap'],
    [configMaps, configMap('x', {}, { namespace: 'other' }), 'does not match the namespace sent on the request'],
    [configMaps, { metadata: {} }, 'name or generateName is required'],
    ['/api/v1/namespaces/missing/configmaps', configMap('x'), 'namespaces "missing" not found'],
    [
      `${namespaced}/pods`,
      { ...pod('x'), spec: { ...pod('x').spec, serviceAccountName: 'none' } },
      'error looking up service account default/none: serviceaccount "none" not found',
    ],
    [configMaps, '{', 'the body of the request is not valid JSON: line 1, column 2'],
  ]
  for (const [path, object, message] of refusals) {
    const answer = await cluster.request('POST', path, object)
    assert.ok(answer.body.message.includes(message), `${answer.status} ${answer.body.message}`)
  }
})

test('what the local cluster does not support is reported as such', async (t) => {
  const cluster = await start(t)
  const jobs = await cluster.request('GET', '/apis/batch/v1/namespaces/default/jobs')
  assert.deepEqual(
    [jobs.status, jobs.body.message],
    [404, 'the server could not find the requested resource: the local cluster has no jobs in batch/v1'],
  )
  const logs = await cluster.request('GET', `${namespaced}/pods/x/log?timestamps=true`)
  assert.equal(logs.body.message, 'timestamps is not supported by the local cluster')
})

test('a pod gets the defaults and the token volume that a real cluster gives it', async (t) => {
  const cluster = await start(t)
  const { body } = await cluster.request('POST', `${namespaced}/pods`, {
    ...pod('x'),
    metadata: { generateName: 'x-' },
  })
  assert.match(body.metadata.name, /^x-[a-z0-9]{5}$/)
  const { spec, status } = body
  assert.deepEqual(
    [spec.restartPolicy, spec.terminationGracePeriodSeconds, spec.serviceAccountName],
    ['Always', 30, 'default'],
  )
  assert.equal(spec.containers[0].imagePullPolicy, 'IfNotPresent')
  assert.equal(status.phase, 'Pending')
  const [volume] = spec.volumes
  assert.equal(spec.containers[0].volumeMounts[0].name, volume.name)
  assert.deepEqual(volume.projected.sources[0], { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } })
  const bare = { ...pod('bare'), spec: { ...pod('bare').spec, automountServiceAccountToken: false } }
  assert.equal((await cluster.request('POST', `${namespaced}/pods`, bare)).body.spec.volumes, undefined)
})

test('a pod on a node is deleted in two steps, and a finalizer keeps any object', async (t) => {
  const cluster = await start(t)
  await cluster.request('POST', '/api/v1/nodes', { metadata: { name: 'n1' } })
  await cluster.request('POST', `${namespaced}/pods`, pod('x'))
  const current = async () => (await cluster.request('GET', `${namespaced}/pods/x`)).body
  await eventually(async () => assert.equal((await current()).spec.nodeName, 'n1'))
  const marked = await cluster.request('DELETE', `${namespaced}/pods/x`)
  assert.equal(marked.body.metadata.deletionGracePeriodSeconds, 30)
  assert.ok((await current()).metadata.deletionTimestamp)
  await cluster.request('DELETE', `${namespaced}/pods/x`, { gracePeriodSeconds: 0 })
  assert.equal((await current()).reason, 'NotFound')

  await cluster.request('POST', configMaps, configMap('kept', {}, { finalizers: ['example.com/wait'] }))
  assert.equal((await cluster.request('DELETE', `${configMaps}/kept`)).status, 200)
  assert.ok((await cluster.request('GET', `${configMaps}/kept`)).body.metadata.deletionTimestamp)
  await cluster.request('PATCH', `${configMaps}/kept`, { metadata: { finalizers: null } }, merge)
  assert.equal((await cluster.request('GET', `${configMaps}/kept`)).status, 404)
})

test('the status of an object is written apart from the rest', async (t) => {
  const cluster = await start(t)
  await cluster.request('POST', `${namespaced}/pods`, pod('x'))
  const status = { status: { phase: 'Running' }, metadata: { labels: { a: 'b' } } }
  const written = await cluster.request('PATCH', `${namespaced}/pods/x/status`, status, merge)
  assert.deepEqual([written.body.status.phase, written.body.metadata.labels], ['Running', undefined])
  const other = await cluster.request('PATCH', `${namespaced}/pods/x`, status, merge)
  const again = { status: { phase: 'Failed' } }
  assert.equal((await cluster.request('PATCH', `${namespaced}/pods/x`, again, merge)).body.status.phase, 'Running')
  assert.deepEqual(other.body.metadata.labels, { a: 'b' })
})

test('a restart keeps objects, versions, keys and tokens', async (t) => {
  const cluster = await start(t)
  await cluster.request('POST', configMaps, configMap('x', { a: '1' }))
  const { body: gone } = await cluster.request('POST', configMaps, configMap('gone'))
  await cluster.request('DELETE', `${configMaps}/gone`)
  const token = await tokenOf(cluster)
  await cluster.stop()

  const port = Number(new URL(cluster.server).port)
  const again = await start(t, { stateDir: cluster.stateDir, port })
  assert.equal(again.ca, cluster.ca)
  const { body } = await again.request('GET', `${configMaps}/x`)
  assert.deepEqual(body.data, { a: '1' })
  assert.equal((await again.request('GET', `${configMaps}/gone`)).status, 404)
  assert.equal(
    (await again.request('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {}, { token })).status,
    201,
  )
  const next = await again.request('POST', configMaps, configMap('next'))
  assert.ok(Number(next.body.metadata.resourceVersion) > Number(gone.metadata.resourceVersion) + 1)
})

test('a write that a kill cut off is dropped, and a damaged state file is named and left alone', async (t) => {
  const cluster = await start(t)
  await cluster.stop()
  const file = join(cluster.stateDir, 'objects.jsonl')
  appendFileSync(file, '{"resource":"configmaps","obj')
  const again = await start(t, { stateDir: cluster.stateDir })
  assert.equal((await again.request('GET', `${configMaps}/kube-root-ca.crt`)).status, 200)
  await again.stop()

  const damaged = `nonsense\n${readFileSync(file, 'utf8')}`
  writeFileSync(file, damaged)
  await assert.rejects(start(t, { stateDir: cluster.stateDir }), /objects\.jsonl is corrupt at line 1/)
  assert.equal(readFileSync(file, 'utf8'), damaged)
  writeFileSync(file, '{"a":1}\n')
  await assert.rejects(start(t, { stateDir: cluster.stateDir }), /objects\.jsonl is corrupt at line 1: expected/)
})

test('a port that is taken is named', async (t) => {
  const cluster = await start(t)
  const port = Number(new URL(cluster.server).port)
  await assert.rejects(
    start(t, { port }),
    new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}: it is in use; give another --port`),
  )
})
