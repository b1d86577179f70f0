import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { loadKubeconfig } from '#kubernetes/client'
import { openCertificateAuthority } from '../../../src/lab/azure/certificates/certificate-authority.ts'
import { startLocalCluster } from '../../support/local-cluster.ts'
import { loopbackPort } from '../../support/loopback-port.ts'
import { createOpenssl } from '../../support/openssl.ts'
import { attributes, failureOf, objectsOf } from '../../support/provider.ts'
import { appSubject, type ProviderLab, startProviderLab } from '../../support/provider-lab.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const objects = objectsOf({ objectName: 'db', objectType: 'secret' })

/** A vault with the secret `db` and an identity that may read it. */
async function startWithSecret(t: TestContext) {
  const lab = await startProviderLab(t)
  const identity = await lab.createReadableVault('shop-vault')
  await lab.azure.setSecret('shop-vault', 'db', 'hunter2')
  return { lab, identity }
}

/** Makes the machine that IMDS speaks for have these identities. */
async function assignToMachine(
  lab: ProviderLab,
  identity: { type: string; userAssignedIdentities?: Record<string, unknown> },
) {
  const group = `/subscriptions/${lab.azure.administrator.subscriptionId}/resourceGroups/keymount-test`
  const path = `${group}/providers/Microsoft.Compute/virtualMachineScaleSets/nodes`
  return lab.azure.arm.put(path, { location: 'westeurope', identity, properties: {} })
}

test('a service principal signs in with its secret, whatever the case of the keys', async (t) => {
  const { lab } = await startWithSecret(t)
  const { clientId, clientSecret } = lab.azure.administrator
  const { mount } = await lab.startProvider()
  const request = {
    attributes: attributes({ keyvaultName: 'shop-vault', tenantId: lab.azure.administrator.tenantId, objects }),
  }
  for (const secrets of [
    { clientid: clientId, clientsecret: clientSecret },
    { ClientID: `${clientId}\n`, clientSecret: `${clientSecret}\n` },
  ]) {
    const { files } = await mount({ ...request, secrets: JSON.stringify(secrets) })
    assert.equal(files[0]?.contents.toString(), 'hunter2')
  }
  const wrong = { clientid: clientId, clientsecret: 'planted-wrong-secret' }
  const { code, details } = await failureOf(mount({ ...request, secrets: JSON.stringify(wrong) }))
  assert.equal(code, status.UNAUTHENTICATED)
  assert.match(details, /\[entra-client-secret-wrong\] .*: ClientSecretCredential authentication failed.*AADSTS7000215/)
  assert.ok(!details.includes('planted'))
})

/** An application that may read the vault with this certificate, and nothing else. */
async function createApplication(lab: ProviderLab, certificate: string): Promise<string> {
  const { azure } = lab
  const graph = async (method: 'POST' | 'PATCH', path: string, body: unknown) => {
    const headers = {
      authorization: `Bearer ${await azure.token('https://graph.microsoft.com')}`,
      'content-type': 'application/json',
    }
    const url = new URL(`https://graph.microsoft.com/v1.0${path}`)
    const answer = await azure.send({ method, url, headers, body: JSON.stringify(body) })
    const text = answer.body.toString('utf8')
    assert.ok(answer.status < 300, text)
    return (text === '' ? {} : JSON.parse(text)) as { id: string; appId: string }
  }
  const { id, appId } = await graph('POST', '/applications', { displayName: 'shop' })
  const principal = await graph('POST', '/servicePrincipals', { appId })
  const key = new X509Certificate(certificate).raw.toString('base64')
  await graph('PATCH', `/applications/${id}`, {
    keyCredentials: [{ type: 'AsymmetricX509Cert', usage: 'Verify', key }],
  })
  const scope = `/subscriptions/${azure.administrator.subscriptionId}`
  await azure.assignRole('Key Vault Secrets User', principal.id, scope)
  return appId
}

test('a service principal signs in with its certificate, as PEM and as PFX, and with no other', async (t) => {
  const { lab } = await startWithSecret(t)
  const openssl = createOpenssl(t)
  const own = openssl.certificate('own')
  const other = openssl.certificate('other')
  const clientid = await createApplication(lab, own.certificate)
  const { mount } = await lab.startProvider()
  const { tenantId } = lab.azure.administrator
  const request = { attributes: attributes({ keyvaultName: 'shop-vault', tenantId, objects }) }
  const pfx = (args: string[]) =>
    openssl.pfx({ key: own.key, certificates: [own.certificate], args }).toString('base64')
  for (const proof of [
    { clientcertificate: own.key + own.certificate },
    { ClientCertificate: pfx(['-passout', 'pass:']) },
    { clientcertificate: pfx(['-legacy', '-passout', 'pass:planted']), clientcertificatepassword: 'planted' },
  ]) {
    const { files } = await mount({ ...request, secrets: JSON.stringify({ clientid, ...proof }) })
    assert.equal(files[0]?.contents.toString(), 'hunter2')
  }
  const { code, details } = await failureOf(
    mount({ ...request, secrets: JSON.stringify({ clientid, clientcertificate: other.key + other.certificate }) }),
  )
  assert.equal(code, status.UNAUTHENTICATED)
  assert.match(details, /AADSTS700027/)
})

test('a class of another tenant signs in there, with the same service account, and shares nothing', async (t) => {
  const { lab, identity } = await startWithSecret(t)
  const { mount } = await lab.startProvider()
  const { tenantId } = lab.azure.administrator
  const parameters = { keyvaultName: 'shop-vault', clientID: identity.clientId, objects }
  await lab.takeCounts()
  // The one tenant of the local Azure under its two names: to the provider they are two.
  for (const tenantID of [tenantId, 'keymount.onmicrosoft.com']) {
    assert.equal((await mount(await lab.request({ ...parameters, tenantID }))).files.length, 1)
    assert.deepEqual(await lab.takeCounts(), { 'entra.token': 1, 'vault.secret.get': 1 })
  }
  const foreign = '11111111-2222-3333-4444-555555555555'
  const { details } = await failureOf(mount(await lab.request({ ...parameters, tenantID: foreign })))
  assert.match(details, new RegExp(`\\[entra-tenant-not-found\\].*${foreign}`))
})

test('the default tenant is used where a class does not set one, and only there', async (t) => {
  const { lab, identity } = await startWithSecret(t)
  const { tenantId } = lab.azure.administrator
  const unknownTenant = '11111111-2222-3333-4444-555555555555'
  const parameters = { keyvaultName: 'shop-vault', clientID: identity.clientId, objects }
  const right = await lab.startProvider({ defaultTenantId: tenantId })
  assert.equal((await right.mount(await lab.request({ ...parameters, tenantID: '' }))).files.length, 1)
  const wrong = await lab.startProvider({ defaultTenantId: unknownTenant })
  assert.equal((await wrong.mount(await lab.request(parameters))).files.length, 1)
  const { details } = await failureOf(wrong.mount(await lab.request({ ...parameters, tenantID: ' ' })))
  assert.match(details, /\[entra-tenant-not-found\]/)
})

test('a managed identity of the node is used where the class asks for it', async (t) => {
  const { lab, identity } = await startWithSecret(t)
  const { mount } = await lab.startProvider({ imdsEndpoint: lab.azure.imds })
  const request = (parameters: Record<string, string>) =>
    lab.request({ keyvaultName: 'shop-vault', objects, useVMManagedIdentity: 'true', ...parameters })

  const absent = await failureOf(mount(await request({ userAssignedIdentityID: identity.clientId })))
  assert.equal(absent.code, status.UNAUTHENTICATED)
  assert.match(absent.details, /\[managed-identity-not-assigned\].*Identity not found.*vmss identity assign/)

  const machine = await assignToMachine(lab, { type: 'UserAssigned', userAssignedIdentities: { [identity.id]: {} } })
  assert.ok(machine.id)
  await lab.takeCounts()
  const { files } = await mount(await request({ userAssignedIdentityID: identity.clientId }))
  assert.equal(files[0]?.contents.toString(), 'hunter2')
  assert.deepEqual(await lab.takeCounts(), { 'imds.token': 1, 'vault.secret.get': 1 })
  // Another identity of the node is not served with what this one read.
  const stranger = await failureOf(mount(await request({ userAssignedIdentityID: 'another' })))
  assert.match(stranger.details, /Identity not found/)

  const second = await lab.azure.createIdentity('second')
  await assignToMachine(lab, { type: 'UserAssigned', userAssignedIdentities: { [identity.id]: {}, [second.id]: {} } })
  const ambiguous = await failureOf(mount(await request({})))
  assert.equal(ambiguous.code, status.INVALID_ARGUMENT)
  assert.match(ambiguous.details, /\[managed-identity-ambiguous\].*set userAssignedIdentityID/)

  const system = await assignToMachine(lab, { type: 'SystemAssigned' })
  await lab.azure.assignRole(
    'Key Vault Secrets User',
    system.identity.principalId,
    `/subscriptions/${lab.azure.administrator.subscriptionId}`,
  )
  assert.equal((await mount(await request({}))).files.length, 1)
})

test('pod identity asks the node agent for the pod that mounts', async (t) => {
  const { lab } = await startWithSecret(t)
  const asked: unknown[] = []
  const token = await lab.azure.token('https://vault.azure.net')
  let answer: { status: number; body: unknown } = { status: 404, body: 'no AzureIdentityBinding found' }
  const nmi = createServer((request, response) => {
    asked.push([request.url, request.headers.podname, request.headers.podns])
    response.writeHead(answer.status).end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body))
  })
  const { mount } = await lab.startProvider({ nmiEndpoint: `http://127.0.0.1:${await loopbackPort(t, nmi)}` })
  const request = await lab.request({ keyvaultName: 'shop-vault', objects, usePodIdentity: 'true' })

  const unbound = await failureOf(mount(request))
  assert.equal(unbound.code, status.UNAUTHENTICATED)
  assert.match(
    unbound.details,
    /\[pod-identity-not-bound\] .*: nmi response failed with status code: 404, response body: no AzureIdentityBinding found/,
  )

  answer = { status: 200, body: { token: { Access_Token: token, expires_on: '4000000000' }, ClientID: 'x' } }
  assert.equal((await mount(request)).files[0]?.contents.toString(), 'hunter2')
  const path = '/host/token/?resource=https%3A%2F%2Fvault.azure.net'
  assert.deepEqual(asked.splice(0), Array(2).fill([path, 'app-0', 'default']))
  // Another pod is another identity: what the first one was given is not for it.
  answer = { status: 403, body: 'not you' }
  const other = { 'csi.storage.k8s.io/pod.name': 'app-1', usePodIdentity: 'true' }
  const stranger = await failureOf(mount(await lab.request({ keyvaultName: 'shop-vault', objects, ...other })))
  assert.match(stranger.details, /nmi response failed with status code: 403/)
  assert.deepEqual(asked, [[path, 'app-1', 'default']])
})

test('identity binding signs in through the token proxy of the cluster, and reads the vault directly', async (t) => {
  const { lab, identity } = await startWithSecret(t)
  const subject = 'system:serviceaccount:default:bound'
  await lab.azure.federate(identity, {
    issuer: lab.issuer.url,
    subject,
    audiences: ['api://AKSIdentityBinding'],
  })
  const directory = temporaryDirectory(t)
  const authority = await openCertificateAuthority(directory)
  const seen: unknown[] = []
  const proxy = createTlsServer(await authority.issue('cluster.ests.aks'), (request, response) => {
    seen.push([
      request.method,
      request.url,
      request.headers.host,
      (request.socket as { servername?: string }).servername,
    ])
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const url = new URL((request.url ?? '').replace('/entra', ''), 'https://login.microsoftonline.com')
      const headers = { 'content-type': String(request.headers['content-type']) }
      void lab.azure.send({ method: 'POST', url, headers, body: Buffer.concat(chunks).toString() }).then((answer) => {
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body)
      })
    })
  })
  const url = `https://127.0.0.1:${await loopbackPort(t, proxy)}/entra`
  const { mount } = await lab.startProvider({
    tokenProxy: { url, sniName: 'cluster.ests.aks', caFile: authority.caFile },
  })
  const parameters = { keyvaultName: 'shop-vault', clientID: identity.clientId, objects, useAzureTokenProxy: 'true' }
  const { files } = await mount(await lab.request(parameters, { subject, audience: 'api://AKSIdentityBinding' }))
  assert.equal(files[0]?.contents.toString(), 'hunter2')
  const { tenantId } = lab.azure.administrator
  assert.deepEqual(seen, [
    ['POST', `/entra/${tenantId}/oauth2/v2.0/token`, 'login.microsoftonline.com', 'cluster.ests.aks'],
  ])
})

test("a class without clientID and tenant takes those of the pod's service account", async (t) => {
  const cluster = await startLocalCluster(t)
  const lab = await startProviderLab(t, { issuerCaFiles: [caFileOf(t, cluster.ca)] })
  const identity = await lab.createReadableVault('shop-vault')
  await lab.azure.federate(identity, { issuer: cluster.issuer, subject: appSubject })
  await lab.azure.setSecret('shop-vault', 'db', 'hunter2')
  const account = (annotations: Record<string, string>) => ({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'app', annotations },
  })
  const path = '/api/v1/namespaces/default/serviceaccounts'
  await cluster.request('POST', path, account({}))
  const spec = { audiences: ['api://AzureADTokenExchange'], expirationSeconds: 3600 }
  const { body } = await cluster.request('POST', `${path}/app/token`, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec,
  })
  const tokens = { 'api://AzureADTokenExchange': body.status.token }
  const request = { attributes: attributes({ keyvaultName: 'shop-vault', objects }, tokens) }

  const bare = await lab.startProvider({ kube: loadKubeconfig(cluster.kubeconfig) })
  const refused = await failureOf(bare.mount(request))
  assert.match(refused.details, /tenantId is not provided .*azure.workload.identity\/tenant-id/)
  assert.match(refused.details, /nodePublishSecretRef secret is not set/)

  const { tenantId } = lab.azure.administrator
  await cluster.request(
    'PATCH',
    `${path}/app`,
    account({ 'azure.workload.identity/client-id': identity.clientId, 'azure.workload.identity/tenant-id': tenantId }),
    {
      headers: { 'content-type': 'application/merge-patch+json' },
    },
  )
  const provider = await lab.startProvider({ kube: loadKubeconfig(cluster.kubeconfig) })
  assert.equal((await provider.mount(request)).files[0]?.contents.toString(), 'hunter2')

  // Pods of one service account share what was read, though each has a token of its own.
  const { body: another } = await cluster.request('POST', `${path}/app/token`, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec,
  })
  await lab.takeCounts()
  const others = { 'api://AzureADTokenExchange': another.status.token }
  await provider.mount({ attributes: attributes({ keyvaultName: 'shop-vault', objects }, others) })
  assert.deepEqual(await lab.takeCounts(), {})

  // A forged token with the same claims shares nothing: Entra sees it, and refuses.
  const [header = '', payload = ''] = String(another.status.token).split('.')
  const forged = { 'api://AzureADTokenExchange': `${header}.${payload}.${Buffer.from('forged').toString('base64url')}` }
  const { code } = await failureOf(
    provider.mount({ attributes: attributes({ keyvaultName: 'shop-vault', objects }, forged) }),
  )
  assert.equal(code, status.UNAUTHENTICATED)

  const powerless = await lab.startProvider({
    kube: { ...loadKubeconfig(cluster.kubeconfig), cert: '', key: '', token: () => another.status.token },
  })
  const { details } = await failureOf(powerless.mount(request))
  assert.match(details, /service account default\/app, which may name it, cannot be read/)
})

function caFileOf(t: TestContext, pem: string): string {
  const directory = temporaryDirectory(t)
  const file = join(directory, 'ca.pem')
  writeFileSync(file, pem)
  return file
}

test('two service accounts with the same clientID never share: each has to be federated', async (t) => {
  const { lab, identity } = await startWithSecret(t)
  const { mount } = await lab.startProvider()
  const parameters = { keyvaultName: 'shop-vault', clientID: identity.clientId, objects }
  assert.equal((await mount(await lab.request(parameters))).files.length, 1)
  const { code, details } = await failureOf(
    mount(await lab.request(parameters, { subject: 'system:serviceaccount:default:thief' })),
  )
  assert.equal(code, status.UNAUTHENTICATED)
  assert.match(details, /\[entra-subject-mismatch\]/)
})

test('two service principals with the same client id and different secrets never share', async (t) => {
  const { lab } = await startWithSecret(t)
  const { mount } = await lab.startProvider()
  const { clientId: clientid, clientSecret: clientsecret, tenantId } = lab.azure.administrator
  const request = { attributes: attributes({ keyvaultName: 'shop-vault', tenantId, objects }) }
  await mount({ ...request, secrets: JSON.stringify({ clientid, clientsecret }) })
  const { code } = await failureOf(
    mount({ ...request, secrets: JSON.stringify({ clientid, clientsecret: 'guessed' }) }),
  )
  assert.equal(code, status.UNAUTHENTICATED)
})

test('a class with useEmulator reads from the local Azure that the provider is configured for, others do not', async (t) => {
  const { lab, identity } = await startWithSecret(t)
  const cloud = {
    name: 'local',
    authority: 'https://login.microsoftonline.com',
    vaultSuffix: 'vault.azure.net',
    vaultResource: 'https://vault.azure.net',
  }
  const nowhere = { proxyEnv: { HTTPS_PROXY: 'http://127.0.0.1:9' } }
  const { mount } = await lab.startProvider({ http: nowhere, emulator: { cloud, http: lab.http } })
  const parameters = { keyvaultName: 'shop-vault', clientID: identity.clientId, objects }
  assert.equal((await mount(await lab.request({ ...parameters, useEmulator: 'true' }))).files.length, 1)
  const { code } = await failureOf(mount(await lab.request({ ...parameters, useEmulator: 'false' })))
  assert.equal(code, status.UNAVAILABLE)
})
