import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import {
  startLocalAzure,
  type TestAzure,
  type TestIdentity,
  type TestVault,
  testGroup,
  type VaultOptions,
} from '../../support/local-azure.ts'
import { startTestIssuer, type TestIssuer } from '../../support/test-issuer.ts'

const subject = 'system:serviceaccount:default:app'

type Method = 'GET' | 'PUT' | 'POST' | 'DELETE'

interface Setting {
  azure: TestAzure
  vault: TestVault
  identity: TestIdentity
  group: string
  /** Calls the data plane as the identity, which signs in again each time. */
  asIdentity(method: Method, path: string, body?: unknown): Promise<{ status: number; body: Body }>
  /** Calls Resource Manager as the identity. */
  armAsIdentity(method: Method, path: string, body?: unknown): Promise<{ status: number; body: Body }>
  /** Asks Microsoft Graph as the identity. */
  graphAsIdentity(path: string): Promise<{ status: number; body: Body }>
}

// biome-ignore lint/suspicious/noExplicitAny: tests read whatever the answer holds, and fail where it is not there
type Body = any

/** A vault with the secrets `one` and `two`, and an identity that may do nothing yet. */
async function outsider(t: TestContext, options?: VaultOptions): Promise<Setting> {
  const issuer = await startTestIssuer(t)
  const azure = await startLocalAzure(t, { issuerCaFiles: [issuer.caFile] })
  const vault = await azure.createVault('shop', options)
  await azure.setSecret('shop', 'one', 'value')
  await azure.setSecret('shop', 'two', 'value')
  const identity = await azure.createIdentity('app')
  await azure.federate(identity, { issuer: issuer.url, subject })
  const call = async (resource: string, method: Method, url: URL, body?: unknown) => {
    const answer = await azure.send({
      method,
      url,
      headers: {
        authorization: `Bearer ${await signIn(azure, issuer, identity, resource)}`,
        'content-type': 'application/json',
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    const text = answer.body.toString('utf8')
    return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) }
  }
  return {
    azure,
    vault,
    identity,
    group: `/subscriptions/${azure.administrator.subscriptionId}/resourceGroups/${testGroup}`,
    asIdentity: (method, path, body) =>
      call('https://vault.azure.net', method, new URL(`${path}?api-version=7.4`, vault.url), body),
    armAsIdentity: (method, path, body) =>
      call(
        'https://management.azure.com',
        method,
        new URL(`${path}?api-version=2024-01-01`, 'https://management.azure.com'),
        body,
      ),
    graphAsIdentity: (path) => call('https://graph.microsoft.com', 'GET', new URL(path, 'https://graph.microsoft.com')),
  }
}

async function signIn(azure: TestAzure, issuer: TestIssuer, { clientId }: TestIdentity, resource: string) {
  const form = {
    grant_type: 'client_credentials',
    client_id: clientId,
    scope: `${resource}/.default`,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await issuer.token(subject),
  }
  const { body } = await azure.send({
    method: 'POST',
    url: new URL(`https://login.microsoftonline.com/${azure.administrator.tenantId}/oauth2/v2.0/token`),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
  })
  return JSON.parse(body.toString('utf8')).access_token
}

test('without a role everything is refused, and the refusal names caller, action and resource', async (t) => {
  const { vault, identity, asIdentity } = await outsider(t)
  const { status, body } = await asIdentity('GET', '/secrets/one')
  assert.deepEqual([status, body.error.code, body.error.innererror.code], [403, 'Forbidden', 'ForbiddenByRbac'])
  assert.match(
    body.error.message,
    new RegExp(`Caller: appid=${identity.clientId};oid=${identity.principalId};iss=https://sts`),
  )
  assert.match(body.error.message, /Action: 'Microsoft.KeyVault\/vaults\/secrets\/getSecret\/action'/)
  assert.ok(body.error.message.includes(`Resource: '${vault.id.toLowerCase()}/secrets/one'`))
  assert.match(body.error.message, /Vault: shop;location=westeurope/)
})

test('a caller without rights cannot distinguish a missing secret from a forbidden one', async (t) => {
  const { asIdentity } = await outsider(t)
  assert.equal((await asIdentity('GET', '/secrets/none')).status, 403)
})

for (const level of ['subscription', 'group', 'vault'] as const) {
  test(`a role on the ${level} applies to the secrets of the vault`, async (t) => {
    const { azure, vault, identity, group, asIdentity } = await outsider(t)
    const scope = { subscription: `/subscriptions/${azure.administrator.subscriptionId}`, group, vault: vault.id }[
      level
    ]
    await azure.assignRole('Key Vault Secrets User', identity.principalId, scope)
    assert.equal((await asIdentity('GET', '/secrets/one')).body.value, 'value')
    assert.equal((await asIdentity('GET', '/secrets')).status, 200)
    assert.equal((await asIdentity('PUT', '/secrets/one', { value: 'mine' })).status, 403)
  })
}

test('a role on one secret applies to that secret only', async (t) => {
  const { azure, vault, identity, asIdentity } = await outsider(t)
  await azure.assignRole('Key Vault Secrets User', identity.principalId, `${vault.id}/secrets/one`)
  assert.equal((await asIdentity('GET', '/secrets/one')).status, 200)
  assert.equal((await asIdentity('GET', '/secrets/two')).status, 403)
  assert.equal((await asIdentity('GET', '/secrets')).status, 403)
})

test('a role on another vault whose name has the same beginning does not apply', async (t) => {
  const { azure, identity, asIdentity } = await outsider(t)
  const other = await azure.createVault('shop2')
  await azure.assignRole('Key Vault Secrets User', identity.principalId, other.id)
  assert.equal((await asIdentity('GET', '/secrets/one')).status, 403)
})

test('the removal of a role takes effect at once', async (t) => {
  const { azure, vault, identity, asIdentity } = await outsider(t)
  const assignment = await azure.assignRole('Key Vault Secrets User', identity.principalId, vault.id)
  assert.equal((await asIdentity('GET', '/secrets/one')).status, 200)
  await azure.arm.delete(assignment)
  assert.equal((await asIdentity('GET', '/secrets/one')).status, 403)
})

const roles: [role: string, allowed: string[], denied: string[]][] = [
  ['Key Vault Administrator', ['get', 'list', 'set', 'delete'], []],
  ['Key Vault Secrets Officer', ['get', 'list', 'set', 'delete'], []],
  ['Key Vault Secrets User', ['get', 'list'], ['set', 'delete']],
  ['Key Vault Certificate User', ['get', 'list'], ['set', 'delete']],
  ['Key Vault Reader', ['list'], ['get', 'set', 'delete']],
  ['Key Vault Crypto User', [], ['get', 'list', 'set', 'delete']],
  ['Owner', [], ['get', 'list', 'set', 'delete']],
  ['Contributor', [], ['get', 'list', 'set', 'delete']],
  ['Reader', [], ['get', 'list', 'set', 'delete']],
]

test('each role allows exactly its own actions on secrets', async (t) => {
  const { azure, vault, identity, asIdentity } = await outsider(t)
  const calls: Record<string, () => Promise<{ status: number }>> = {
    get: () => asIdentity('GET', '/secrets/one'),
    list: () => asIdentity('GET', '/secrets'),
    set: () => asIdentity('PUT', '/secrets/three', { value: 'x' }),
    delete: () => asIdentity('DELETE', '/secrets/none'),
  }
  for (const [role, allowed, denied] of roles) {
    const assignment = await azure.assignRole(role, identity.principalId, vault.id)
    for (const name of allowed) assert.notEqual((await calls[name]?.())?.status, 403, `${role} allows ${name}`)
    for (const name of denied) assert.equal((await calls[name]?.())?.status, 403, `${role} denies ${name}`)
    await azure.arm.delete(assignment)
  }
})

const calls = {
  readSecret: ['GET', '/secrets/one'],
  readKey: ['GET', '/keys/k'],
  makeKey: ['POST', '/keys/made/create', { kty: 'EC' }],
  sign: ['POST', '/keys/k/sign', { alg: 'ES256', value: 'A'.repeat(43) }],
  wrap: ['POST', '/keys/rsa/wrapkey', { alg: 'RSA-OAEP', value: 'AAAA' }],
  readPolicy: ['GET', '/keys/k/rotationpolicy'],
  rotate: ['POST', '/keys/k/rotate'],
  readCertificate: ['GET', '/certificates/c'],
  makeCertificate: ['POST', '/certificates/made/create', { policy: { issuer: { name: 'Unknown' } } }],
  readIssuers: ['GET', '/certificates/issuers'],
  setContacts: ['PUT', '/certificates/contacts', { contacts: [] }],
} as const satisfies Record<string, readonly ['GET' | 'PUT' | 'POST', string, unknown?]>
type CallName = keyof typeof calls

const officerOfKeys: CallName[] = ['readKey', 'makeKey', 'sign', 'wrap', 'readPolicy', 'rotate']
const officerOfCertificates: CallName[] = ['readCertificate', 'makeCertificate', 'readIssuers', 'setContacts']
const allowedBy: Record<string, CallName[]> = {
  'Key Vault Administrator': Object.keys(calls) as CallName[],
  'Key Vault Crypto Officer': officerOfKeys,
  'Key Vault Crypto User': ['readKey', 'sign', 'wrap'],
  'Key Vault Crypto Service Encryption User': ['readKey', 'wrap'],
  'Key Vault Certificates Officer': officerOfCertificates,
  'Key Vault Certificate User': ['readSecret', 'readKey', 'readCertificate'],
  'Key Vault Secrets User': ['readSecret'],
  'Key Vault Reader': ['readKey', 'readPolicy', 'readCertificate', 'readIssuers'],
  'Key Vault Contributor': [],
}

test('each role allows exactly its own actions on keys and certificates, on the vault, its group and its subscription', async (t) => {
  const { azure, vault, identity, group, asIdentity } = await outsider(t)
  const scopes = [vault.id, group, group.replace(/\/resourceGroups.*/, '')]
  for (const [index, [role, allowed]] of Object.entries(allowedBy).entries()) {
    const assignment = await azure.assignRole(role, identity.principalId, scopes[index % scopes.length] ?? vault.id)
    const found: string[] = []
    for (const [name, [method, path, body]] of Object.entries(calls)) {
      if ((await asIdentity(method, path, body)).status !== 403) found.push(name)
    }
    assert.deepEqual(found.toSorted(), allowed.toSorted(), role)
    await azure.arm.delete(assignment)
  }
})

test('in a vault with access policies only policies count', async (t) => {
  const { azure, vault, identity, asIdentity } = await outsider(t, { rbac: false })
  await azure.assignRole('Key Vault Administrator', identity.principalId, vault.id)
  const { status, body } = await asIdentity('GET', '/secrets/one')
  assert.deepEqual([status, body.error.innererror.code], [403, 'AccessDenied'])
  assert.match(body.error.message, /does not have secrets get permission on key vault 'shop;location=westeurope'/)

  const { tenantId } = azure.administrator
  const policies = async (verb: 'add' | 'remove' | 'replace', permissions: object) => {
    const accessPolicies = [{ tenantId, objectId: identity.principalId, permissions }]
    await azure.arm.put(`${vault.id}/accessPolicies/${verb}`, { properties: { accessPolicies } })
  }
  const readAndList = async () => [
    (await asIdentity('GET', '/secrets/one')).status,
    (await asIdentity('GET', '/secrets')).status,
  ]
  await policies('add', { secrets: ['Get'] })
  assert.deepEqual(await readAndList(), [200, 403])
  await policies('add', { secrets: ['list'] })
  assert.deepEqual(await readAndList(), [200, 200])
  await policies('remove', { secrets: ['Get'] })
  assert.deepEqual(await readAndList(), [403, 200])
  await policies('replace', { keys: ['get'] })
  assert.deepEqual(await readAndList(), [403, 403])
})

test('"all" in a policy does not include purge', async (t) => {
  const { azure, vault, identity, asIdentity } = await outsider(t, { rbac: false })
  const { tenantId } = azure.administrator
  const accessPolicies = [{ tenantId, objectId: identity.principalId, permissions: { secrets: ['all'] } }]
  await azure.arm.put(`${vault.id}/accessPolicies/add`, { properties: { accessPolicies } })
  assert.equal((await asIdentity('DELETE', '/secrets/one')).status, 200)
  assert.equal((await asIdentity('DELETE', '/deletedsecrets/one')).status, 403)
})

test('the administrator owns the subscription and still may not read secrets', async (t) => {
  const azure = await startLocalAzure(t)
  const { tenantId, subscriptionId } = azure.administrator
  const id = `/subscriptions/${subscriptionId}/resourceGroups/${testGroup}/providers/Microsoft.KeyVault/vaults/plain`
  const properties = { tenantId, sku: { family: 'A', name: 'standard' }, enableRbacAuthorization: true }
  await azure.arm.put(id, { location: 'westeurope', properties })
  await assert.rejects(azure.setSecret('plain', 'x', 'y'), /403.*ForbiddenByRbac/)
})

test('a vault whose network rules deny every client answers 403, after the challenge', async (t) => {
  const { azure, vault, asIdentity } = await outsider(t)
  await azure.arm('PATCH', vault.id, { properties: { networkAcls: { defaultAction: 'Deny' } } })
  const { status, body } = await asIdentity('GET', '/secrets/one')
  assert.deepEqual([status, body.error.innererror.code], [403, 'ForbiddenByFirewall'])
  assert.equal((await azure.send({ url: new URL('/secrets', vault.url) })).status, 401)
})

test('Resource Manager denies by default and names client, action and scope', async (t) => {
  const { identity, group, armAsIdentity } = await outsider(t)
  const { status, body } = await armAsIdentity('GET', group)
  assert.deepEqual([status, body.error.code], [403, 'AuthorizationFailed'])
  assert.ok(
    body.error.message.startsWith(
      `The client '${identity.clientId}' with object id '${identity.principalId}' does not have authorization to perform action 'Microsoft.Resources/subscriptions/resourceGroups/read' over scope '${group}'`,
    ),
    body.error.message,
  )
})

test('a Reader reads and changes nothing; a Contributor changes everything except access', async (t) => {
  const { azure, vault, identity, group, armAsIdentity } = await outsider(t)
  const assignment = await azure.assignRole('Reader', identity.principalId, group)
  assert.equal((await armAsIdentity('GET', vault.id)).status, 200)
  assert.equal((await armAsIdentity('DELETE', vault.id)).status, 403)
  await azure.arm.delete(assignment)
  await azure.assignRole('Contributor', identity.principalId, group)
  const roleId = `${group}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`
  assert.equal((await armAsIdentity('PUT', roleId, { properties: {} })).status, 403)
  assert.equal((await armAsIdentity('DELETE', vault.id)).status, 200)
})

test('lists contain what the caller may read', async (t) => {
  const { azure, vault, identity, group, armAsIdentity } = await outsider(t)
  const subscription = `/subscriptions/${azure.administrator.subscriptionId}`
  const count = async (path: string) => (await armAsIdentity('GET', path)).body.value.length
  assert.equal(await count('/subscriptions'), 0)
  assert.equal(await count(`${subscription}/resources`), 0)
  await azure.assignRole('Reader', identity.principalId, vault.id)
  assert.equal(await count('/subscriptions'), 1)
  assert.equal(await count(`${subscription}/resources`), 1)
  assert.equal(await count(`${subscription}/resourceGroups`), 0)
  await azure.assignRole('Reader', identity.principalId, group)
  assert.equal(await count(`${subscription}/resourceGroups`), 1)
})

test('Graph is closed to identities without a directory role', async (t) => {
  const { azure, identity, graphAsIdentity } = await outsider(t)
  const path = `/v1.0/servicePrincipals/${identity.principalId}`
  const { status, body } = await graphAsIdentity(path)
  assert.deepEqual([status, body.error.code], [403, 'Authorization_RequestDenied'])
  const url = new URL(path, 'https://graph.microsoft.com')
  assert.equal((await azure.send({ url })).status, 401)
  const authorization = `Bearer ${await azure.token('https://graph.microsoft.com')}`
  const principal = JSON.parse((await azure.send({ url, headers: { authorization } })).body.toString('utf8'))
  assert.deepEqual([principal.appId, principal.servicePrincipalType], [identity.clientId, 'ManagedIdentity'])
})
