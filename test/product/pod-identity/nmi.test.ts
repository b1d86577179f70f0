import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { createAcquireToken, findCloud, IdentityError } from '#azure/identity'
import { resources } from '#kubernetes/client'
import { createHttpClient } from '#lib/http'
import { nmiLimits } from '#product/pod-identity'
import { eventually } from '../../support/eventually.ts'
import { loopbackPort } from '../../support/loopback-port.ts'
import { createOpenssl } from '../../support/openssl.ts'
import { openRaw } from '../../support/raw-connection.ts'
import { claims, hostPath, type NmiLab, startNmiLab, tokenPath } from './nmi-lab.ts'
import { plainGet } from './plain-get.ts'

/** Pods `web` at 127.0.0.2 and `other` at 127.0.0.3, each with an identity of its own. */
async function startTwoPods(lab: NmiLab) {
  const [shop, bank] = [await lab.createIdentity('shop'), await lab.createIdentity('bank')]
  await lab.createPod('web', '127.0.0.2', { labels: { aadpodidbinding: 'shop' } })
  await lab.createPod('other', '127.0.0.3', { labels: { aadpodidbinding: 'bank' } })
  for (const [pod, identity] of [
    ['web', shop],
    ['other', bank],
  ] as const) {
    const { id: resourceID, clientId: clientID, name } = identity
    await lab.assign(pod, await lab.createIdentityObject(name, { type: 0, resourceID, clientID }))
  }
  return { shop, bank }
}

test('a pod gets the token of its own identity at the token endpoint, in the form of IMDS, and never that of another', async (t) => {
  const lab = await startNmiLab(t)
  const { shop, bank } = await startTwoPods(lab)
  const before = Math.floor(Date.now() / 1000)
  for (const [from, identity] of [
    ['127.0.0.2', shop],
    ['127.0.0.3', bank],
    ['127.0.0.2', shop],
  ] as const) {
    const { status, type, json } = await lab.get(tokenPath, { from })
    assert.deepEqual([status, type], [200, 'application/json'])
    const fields = ['access_token', 'expires_in', 'expires_on', 'not_before', 'refresh_token', 'resource', 'token_type']
    assert.deepEqual(Object.keys(json).toSorted(), fields)
    assert.equal(claims(json.access_token).appid, identity.clientId)
    assert.equal(json.resource, 'https://vault.azure.net')
    for (const name of ['expires_in', 'expires_on', 'not_before']) assert.match(json[name], /^\d+$/)
    assert.ok(Number(json.expires_on) > before)
  }
  const wrong = await lab.get(`${tokenPath}&client_id=${bank.clientId}`, { from: '127.0.0.2' })
  assert.equal(wrong.status, 404)
  assert.equal(wrong.type, 'text/plain; charset=utf-8')
  assert.match(
    wrong.text,
    /^clientID in request: .{4}##### REDACTED #####.{4}, getting assigned identities for pod default\/web in CREATED/,
  )
})

test('NMI metadata header: a request without it is refused, for tokens and for everything else', async (t) => {
  const lab = await startNmiLab(t)
  for (const path of [tokenPath, '/metadata/doesnotexist']) {
    for (const headers of [{}, { metadata: 'True' }]) {
      const { status, type, text } = await lab.get(path, { headers })
      assert.deepEqual([status, type], [400, 'application/json; charset=utf-8'])
      assert.equal(text, '{"error":"invalid_request","error_description":"Required metadata header not specified"}\n')
    }
  }
})

test('NMI resource check: a request without a resource is refused, one with it is answered', async (t) => {
  const lab = await startNmiLab(t)
  await startTwoPods(lab)
  const { status, text } = await lab.get('/metadata/identity/oauth2/token?resource=', { from: '127.0.0.2' })
  assert.deepEqual([status, text], [400, 'parameter resource cannot be empty\n'])
  assert.equal((await lab.get(tokenPath, { from: '127.0.0.2' })).status, 200)
})

test('an address of no pod, and one of a pod that has ended or has its node’s network, gets no token', async (t) => {
  const lab = await startNmiLab(t)
  await lab.createPod('done', '127.0.0.4', { phase: 'Succeeded' })
  await lab.createPod('host', '127.0.0.5', { hostNetwork: true })
  for (const from of ['127.0.0.4', '127.0.0.5', '127.0.0.6']) {
    const { status, text } = await lab.get(tokenPath, { from })
    assert.deepEqual([status, text], [500, 'pod list is empty\n'])
  }
})

test('two pods with one address get no token', async (t) => {
  const lab = await startNmiLab(t)
  for (const name of ['a', 'b']) await lab.createPod(name, '127.0.0.2', { phase: 'Pending' })
  const { status, text } = await eventually(async () => {
    const answer = await lab.get(tokenPath, { from: '127.0.0.2' })
    assert.match(answer.text, /failed to match/)
    return answer
  })
  assert.deepEqual([status, text], [500, 'failed to match pod IP 127.0.0.2 with [default/a default/b]\n'])
})

test('a pod that asks before its address is known is waited for', async (t) => {
  const lab = await startNmiLab(t)
  const asking = lab.get(tokenPath, { from: '127.0.0.2' })
  await startTwoPods(lab)
  assert.equal((await asking).status, 200)
})

test('the host endpoint gives the token of a pod that is named, with the client id of its identity', async (t) => {
  const lab = await startNmiLab(t)
  const { shop } = await startTwoPods(lab)
  for (const path of [hostPath, hostPath.replace('/?', '?')]) {
    const { status, type, json } = await lab.get(path, { headers: { podname: 'web', podns: 'default' } })
    assert.deepEqual([status, type], [200, 'application/json'])
    assert.equal(json.clientid, shop.clientId)
    assert.equal(claims(json.token.access_token).appid, shop.clientId)
    assert.match(json.token.expires_on, /^\d+$/)
  }
})

test('the Key Vault provider’s own client gets the token of its pod, and an error for a pod that is not bound', async (t) => {
  const lab = await startNmiLab(t)
  const { shop } = await startTwoPods(lab)
  const http = createHttpClient()
  t.after(() => http.stop())
  const acquire = createAcquireToken({
    send: http.send,
    sendOnNode: http.send,
    nmiEndpoint: `http://127.0.0.1:${lab.nmi.port}`,
  })
  const cloud = findCloud('')
  assert.ok(cloud !== undefined)
  const ask = (podName: string) =>
    acquire(
      { kind: 'pod-identity', tenantId: '', podName, podNamespace: 'default' },
      { cloud, resource: cloud.vaultResource },
    )
  const { token, expiresAt } = await ask('web')
  assert.equal(claims(token.revealText()).appid, shop.clientId)
  assert.ok(expiresAt > Date.now())
  await assert.rejects(
    ask('stranger'),
    (error: unknown) => error instanceof IdentityError && error.code === 'pod-identity-not-bound',
  )
})

test('the host endpoint refuses, in this order: no pod named, a request of a pod, no resource, no identity', async (t) => {
  const lab = await startNmiLab(t)
  const named = { podname: 'web', podns: 'default' }
  const rows: [string, object, [number, RegExp]][] = [
    [
      '/host/token/',
      { headers: { podname: 'web' }, from: '127.0.0.2' },
      [400, /^missing 'podname' and 'podns' from request header\n$/],
    ],
    ['/host/token/', { headers: named, from: '127.0.0.2' }, [500, /^request remote address is not from a host\n$/]],
    ['/host/token/', { headers: named }, [400, /^parameter resource cannot be empty\n$/]],
    [hostPath, { headers: named }, [404, /^getting assigned identities for pod default\/web in CREATED state/]],
  ]
  for (const [path, options, [expected, words]] of rows) {
    const { status, text, type } = await lab.get(path, options)
    assert.equal(status, expected)
    assert.match(text, words)
    assert.equal(type, 'text/plain; charset=utf-8')
  }
})

test('a pod whose identity is being assigned gets Retry-After, where that is enabled, and the host does not', async (t) => {
  const lab = await startNmiLab(t, { setRetryAfterHeader: true })
  const shop = await lab.createIdentity('shop')
  await lab.createPod('web', '127.0.0.2')
  const identity = await lab.createIdentityObject('shop', { type: 0, resourceID: shop.id, clientID: shop.clientId })
  await lab.assign('web', identity, 'Created')
  const { status, retryAfter, text } = await lab.get(tokenPath, { from: '127.0.0.2' })
  assert.deepEqual([status, retryAfter], [503, '20'])
  assert.match(text, /in ASSIGNED state failed after 4 attempts/)
  assert.equal((await lab.get(hostPath, { headers: { podname: 'web', podns: 'default' } })).status, 404)
})

test('an identity that the machine does not have is refused with the answer of IMDS', async (t) => {
  const lab = await startNmiLab(t)
  const absent = await lab.azure.createIdentity('absent')
  await lab.createPod('web', '127.0.0.2')
  await lab.assign(
    'web',
    await lab.createIdentityObject('absent', { type: 0, resourceID: absent.id, clientID: absent.clientId }),
  )
  const { status, text } = await eventually(async () => {
    const answer = await lab.get(tokenPath, { from: '127.0.0.2' })
    assert.notEqual(answer.status, 404)
    return answer
  })
  assert.equal(status, 403)
  assert.match(text, /^failed to get service principal token, error: .*Identity not found/)
})

test('an AzureIdentity without a client id never becomes the identity of the machine', async (t) => {
  const lab = await startNmiLab(t)
  const shop = await lab.createIdentity('shop')
  await lab.createPod('web', '127.0.0.2')
  await lab.assign('web', await lab.createIdentityObject('shop', { type: 0, resourceID: shop.id }))
  const { status, text } = await eventually(async () => {
    const answer = await lab.get(tokenPath, { from: '127.0.0.2' })
    assert.notEqual(answer.status, 404)
    return answer
  })
  assert.deepEqual([status, text], [403, 'AzureIdentity default/shop: spec.clientID is empty\n'])
})

test('an excepted pod, and the controller, get what IMDS itself answers', async (t) => {
  const lab = await startNmiLab(t)
  const shop = await lab.createIdentity('shop')
  await lab.kube.create(resources.azurePodIdentityExceptions, {
    apiVersion: 'aadpodidentity.k8s.io/v1',
    kind: 'AzurePodIdentityException',
    metadata: { namespace: 'default', name: 'tools' },
    spec: { podLabels: { role: 'tool', more: 'x' } },
  })
  await lab.createPod('tool', '127.0.0.2', { labels: { role: 'Tool' } })
  const account = { namespace: 'default', name: 'aad-pod-identity-mic' }
  await lab.kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: account })
  await lab.createPod('mic', '127.0.0.3', { serviceAccountName: 'aad-pod-identity-mic' })
  await lab.createPod('micky', '127.0.0.4', { labels: { app: 'mic' } })
  for (const from of ['127.0.0.2', '127.0.0.3']) {
    await eventually(async () => {
      const { status, json } = await lab.get(`${tokenPath}&client_id=${shop.clientId}`, { from })
      assert.equal(status, 200)
      assert.equal(json.client_id, shop.clientId, 'a field that only IMDS sends')
    })
  }
  assert.equal((await lab.get(tokenPath, { from: '127.0.0.4' })).status, 404)
})

test('everything else goes to IMDS as it is; the machine’s details do not where that is switched on', async (t) => {
  const open = await startNmiLab(t)
  const other = await open.get('/metadata/doesnotexist?a=b')
  assert.deepEqual([other.status, other.json.error], [501, 'not_implemented'])
  assert.match(other.json.error_description, /GET \/metadata\/doesnotexist/)
  assert.equal((await open.get('/metadata/instance')).status, 501)
  assert.equal((await open.get('/metadata/identity%5Coauth2%5Ctoken')).text, 'Invalid request\n')
  const closed = await startNmiLab(t, { blockInstanceMetadata: true })
  const { status, text } = await closed.get('/Metadata/instance?x')
  assert.deepEqual([status, text], [403, 'Request blocked by AAD Pod Identity NMI\n'])
})

test('SP tokens: a Secret with one key, or several, for each tenant; and a certificate', async (t) => {
  const lab = await startNmiLab(t)
  const { azure, kube } = lab
  const { tenantId, clientId, clientSecret } = azure.administrator
  const base64 = (text: string | Buffer) => Buffer.from(text).toString('base64')
  const secret = (name: string, data: Record<string, string>) =>
    kube.create(resources.secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { namespace: 'default', name }, data })
  await secret('one', { clientSecret: base64(clientSecret) })
  await secret('several', { a: base64('wrong'), clientSecret: base64(clientSecret) })
  const spec = (name: string, type = 1) => ({
    type,
    clientID: clientId,
    tenantID: tenantId,
    clientPassword: { namespace: 'default', name },
  })
  const pods = ['one', 'several', 'tenants', 'absent', 'certificate']
  for (const [i, name] of pods.entries()) await lab.createPod(name, `127.0.0.${i + 2}`)
  await lab.assign('one', await lab.createIdentityObject('one', spec('one')))
  await lab.assign('several', await lab.createIdentityObject('several', spec('several')))
  const tenants = { ...spec('one'), auxiliaryTenantIDs: [tenantId] }
  await lab.assign('tenants', await lab.createIdentityObject('tenants', tenants))
  await lab.assign('absent', await lab.createIdentityObject('absent', spec('absent')))
  const openssl = createOpenssl(t)
  const { key, certificate: leaf } = openssl.certificate('app')
  const pfx = openssl.pfx({ key, certificates: [leaf], args: ['-passout', 'pass:word'] })
  await secret('pfx', { certificate: base64(pfx), password: base64('word') })
  await lab.assign('certificate', await lab.createIdentityObject('certificate', spec('pfx', 2)))

  const ask = (i: number) =>
    eventually(async () => {
      const answer = await lab.get(tokenPath, { from: `127.0.0.${i + 2}` })
      assert.notEqual(answer.status, 404)
      return answer
    })
  for (const i of [0, 1]) assert.equal(claims((await ask(i)).json.access_token).appid, clientId)
  assert.equal((await ask(2)).json.length, 2, 'one token per tenant')
  const absent = await ask(3)
  assert.equal(absent.status, 503)
  assert.match(absent.text, /spec.clientPassword default\/absent: there is no such Secret/)
  const certificate = await ask(4)
  assert.equal(certificate.status, 403, 'the directory does not know the certificate, which is the right answer')
  assert.match(certificate.text, /AADSTS700027/)
})

test('Managed lookup: bindings and identities of the pod’s namespace, at once', async (t) => {
  const lab = await startNmiLab(t, { mode: 'managed', forceNamespaced: true })
  const [shop, bank] = [await lab.createIdentity('a-shop'), await lab.createIdentity('b-bank')]
  await lab.createPod('web', '127.0.0.2', { labels: { aadpodidbinding: 'shop' } })
  await lab.createPod('bare', '127.0.0.3')
  const ask = (query = '', from = '127.0.0.2') => lab.get(`${tokenPath}${query}`, { from })
  assert.match(
    (
      await eventually(async () => {
        const answer = await ask()
        assert.equal(answer.status, 404)
        return answer
      })
    ).text,
    /no AzureIdentity found for pod default\/web/,
  )
  for (const { id: resourceID, clientId: clientID, name } of [shop, bank]) {
    await lab.createIdentityObject(name, { type: 0, resourceID, clientID })
    await lab.bind(name, 'shop')
  }
  const appid = async (query: string) => claims((await ask(query)).json.access_token).appid
  assert.equal(await appid(''), shop.clientId, 'none requested: the first')
  assert.equal(await appid(`&client_id=${bank.clientId.toUpperCase()}`), bank.clientId)
  assert.equal(await appid(`&mi_res_id=${bank.id}`), bank.clientId)
  for (const query of ['&client_id=unmatched-client', '&msi_res_id=/unmatched']) {
    const { status, text } = await ask(query)
    assert.equal(status, 404)
    assert.match(text, /no azure identity found for request/)
  }
  assert.equal((await ask('', '127.0.0.3')).status, 404, 'a pod without the label asks for nothing')
})

test('health and metrics: active when the cluster is listed, and labels that pods cannot multiply', async (t) => {
  const lab = await startNmiLab(t)
  await eventually(async () => {
    const { status, text } = await plainGet(lab.nmi.healthPort, '/healthz')
    assert.deepEqual([status, text], [200, 'Active'])
  })
  for (let i = 0; i < 5; i++) await lab.get(`/metadata/random-${i}`)
  const { text } = await plainGet(lab.nmi.metricsPort, '/metrics')
  const counts = text
    .split('\n')
    .filter((line) => line.startsWith('aadpodidentity_nmi_operations_duration_seconds_count'))
  assert.deepEqual(counts, [
    'aadpodidentity_nmi_operations_duration_seconds_count{operation_type="other",status_code="501",namespace="",resource=""} 5',
  ])
})

test('a tenant cannot have the Secret of another namespace sent to where it likes: neither namespace nor authority is taken', async (t) => {
  const lab = await startNmiLab(t, { mode: 'managed', forceNamespaced: true })
  const { tenantId, clientId } = lab.azure.administrator
  const received: string[] = []
  const thief = createServer((request, response) => {
    received.push(`${request.method} ${request.url}`)
    response.writeHead(400).end()
  })
  const adEndpoint = `http://127.0.0.1:${await loopbackPort(t, thief)}`
  const data = { planted: Buffer.from('of kube-system').toString('base64') }
  for (const [namespace, name] of [
    ['kube-system', 'planted'],
    ['default', 'own'],
  ] as const) {
    await lab.kube.create(resources.secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name }, data })
  }
  await lab.createPod('web', '127.0.0.2', { labels: { aadpodidbinding: 'shop' } })
  const principal = { type: 1, clientID: clientId, tenantID: tenantId }
  const rows = [
    [{ clientPassword: { namespace: 'kube-system', name: 'planted' } }, 403, /found "kube-system", expected "default"/],
    [{ clientPassword: { namespace: 'default', name: 'own' }, adEndpoint }, 403, /spec\.adEndpoint: found "http:/],
    [{ clientPassword: { name: 'own' } }, 503, /the Secret default\/own has no key clientSecret/],
  ] as const
  for (const [i, [more, status, message]] of rows.entries()) {
    const name = `identity-${i}`
    await lab.createIdentityObject(name, { ...principal, ...more })
    await lab.bind(name, 'shop')
    const answer = await eventually(async () => {
      const found = await lab.get(tokenPath, { from: '127.0.0.2' })
      assert.notEqual(found.status, 404)
      return found
    })
    assert.equal(answer.status, status)
    assert.match(answer.text, message)
    await lab.kube.delete(resources.azureIdentities, { namespace: 'default', name })
  }
  assert.deepEqual(received, [])
})

test('a request target that a lenient server could read in many ways, or that is long, costs no more than any other', async (t) => {
  const lab = await startNmiLab(t)
  const words = 'metadata/identity/oauth2/'.repeat(80)
  const { status } = await lab.get(`/${words}`)
  assert.notEqual(status, 200)
  for (const target of [`/${words.repeat(3)}`, `/${'%25'.repeat(2000)}`]) {
    const { status: refused, text } = await lab.get(target)
    assert.equal(refused, 414)
    assert.match(text, /at most 2,048 characters are accepted/)
  }
})

test('a namespace that has a quarter of all requests gets 429 for more, and others are served', async (t) => {
  const lab = await startNmiLab(t, { attemptsForCreated: 1000, findRetryMs: 50 })
  await lab.createPod('greedy', '127.0.0.2')
  const abort = new AbortController()
  const waiting = Array.from({ length: 100 }, () =>
    lab.get(tokenPath, { from: '127.0.0.2', signal: abort.signal }).catch(() => undefined),
  )
  const refused = await eventually(async () => {
    const late = AbortSignal.timeout(200)
    const answer = await lab.get(tokenPath, { from: '127.0.0.2', signal: late })
    assert.equal(answer.status, 429)
    return answer
  })
  assert.equal(refused.retryAfter, '5')
  assert.equal((await lab.get('/metadata/doesnotexist', { from: '127.0.0.9' })).status, 501, 'others are served')
  abort.abort()
  await Promise.all(waiting)
})

test('a namespace holds no more than a quarter of the connections, and others are served', async (t) => {
  const lab = await startNmiLab(t)
  await lab.createPod('greedy', '127.0.0.2')
  await eventually(async () =>
    assert.equal((await lab.get('/metadata/doesnotexist', { from: '127.0.0.2' })).status, 501),
  )
  const share = nmiLimits.connections.value / 4
  const held = await Promise.all(Array.from({ length: share + 20 }, () => openRaw(t, lab.nmi.port, '127.0.0.2')))
  const open = () => held.filter(({ socket }) => !socket.closed).length
  await eventually(() => assert.equal(open(), share))
  assert.equal((await lab.get('/metadata/doesnotexist', { from: '127.0.0.9' })).status, 501, 'others are served')
  assert.equal(open(), share)
  for (const { socket } of held) socket.destroy()
  await eventually(async () =>
    assert.equal((await lab.get('/metadata/doesnotexist', { from: '127.0.0.2' })).status, 501),
  )
})

test('a pod that sends half of a request is disconnected', async (t) => {
  const lab = await startNmiLab(t)
  const headless = await openRaw(t, lab.nmi.port, '127.0.0.2')
  const bodiless = await openRaw(t, lab.nmi.port, '127.0.0.2')
  headless.socket.write('GET /metadata/instance HTTP/1.1\r\nhost: x\r\n')
  bodiless.socket.write('PUT /metadata/instance HTTP/1.1\r\nhost: x\r\nmetadata: true\r\ncontent-length: 9\r\n\r\n{')
  await Promise.all([headless, bodiless].map(({ socket }) => socket.closed || once(socket, 'close')))
  assert.match(headless.text, /^HTTP\/1.1 408/)
  assert.doesNotMatch(bodiless.text, /^HTTP\/1.1 200/)
})

test('a request with headers of more than 16 KiB is refused', async (t) => {
  const lab = await startNmiLab(t)
  const opened = await openRaw(t, lab.nmi.port, '127.0.0.2')
  opened.socket.write(`GET /metadata/instance HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(20_000)}`)
  await eventually(() => assert.match(opened.text, /^HTTP\/1.1 431/))
})
