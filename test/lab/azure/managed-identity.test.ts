import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { decodeJwt } from 'jose'
import { startLocalAzure, type TestAzure, type TestIdentity, testGroup } from '../../support/local-azure.ts'

interface Setting {
  azure: TestAzure
  /** Resource id of a scale set without identities. */
  scaleSet: string
}

async function withScaleSet(t: TestContext): Promise<Setting> {
  const azure = await startLocalAzure(t)
  const { subscriptionId } = azure.administrator
  const scaleSet = `/subscriptions/${subscriptionId}/resourceGroups/${testGroup}/providers/Microsoft.Compute/virtualMachineScaleSets/nodes`
  await azure.arm.put(scaleSet, { location: 'westeurope', sku: { name: 'Standard_B2s', capacity: 1 } })
  return { azure, scaleSet }
}

function assign({ azure, scaleSet }: Setting, ...identities: TestIdentity[]) {
  const userAssignedIdentities = Object.fromEntries(identities.map(({ id }) => [id, {}]))
  return azure.arm('PATCH', scaleSet, { identity: { type: 'UserAssigned', userAssignedIdentities } })
}

/** What IMDS answers. */
async function ask(
  azure: TestAzure,
  query: string,
  headers: Record<string, string> = { metadata: 'true' },
): Promise<{ status: number; body: Record<string, string> }> {
  const response = await fetch(`${azure.imds}/metadata/identity/oauth2/token${query}`, { headers })
  return { status: response.status, body: (await response.json()) as Record<string, string> }
}

const base = '?api-version=2018-02-01&resource=https://vault.azure.net'

test('ManagedIdentityCredential gets a token for the identity of the machine', async (t) => {
  const setting = await withScaleSet(t)
  const identity = await setting.azure.createIdentity('node')
  await assign(setting, identity)
  // A process of its own: the library looks for IMDS in the environment when it is loaded.
  const script = `
    const { ManagedIdentityCredential } = await import('@azure/identity')
    const credential = new ManagedIdentityCredential({ clientId: ${JSON.stringify(identity.clientId)} })
    console.log((await credential.getToken('https://vault.azure.net/.default')).token)`
  const environment = { ...process.env, AZURE_POD_IDENTITY_AUTHORITY_HOST: setting.azure.imds }
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    env: environment,
    timeout: 30_000,
  })
  assert.equal(decodeJwt(stdout.trim()).oid, identity.principalId, stderr)
})

test('a response of IMDS contains strings only, and a slash after the path does not matter', async (t) => {
  const setting = await withScaleSet(t)
  const identity = await setting.azure.createIdentity('node')
  await assign(setting, identity)
  const { status, body } = await ask(setting.azure, `/${base}`)
  assert.equal(status, 200)
  assert.ok(Object.values(body).every((value) => typeof value === 'string'))
  assert.deepEqual(
    [body.client_id, body.expires_in, body.resource, body.token_type],
    [identity.clientId, '86399', 'https://vault.azure.net', 'Bearer'],
  )
})

test('with several identities the request must name one, by client, object or resource id', async (t) => {
  const setting = await withScaleSet(t)
  const { azure } = setting
  const one = await azure.createIdentity('one-node')
  const two = await azure.createIdentity('two-node')
  await assign(setting, one)
  await assign(setting, two)
  const none = await ask(azure, base)
  assert.equal(none.status, 400)
  assert.match(none.body.error_description ?? '', /Multiple user assigned identities exist/)
  for (const query of [
    `client_id=${two.clientId}`,
    `object_id=${two.principalId}`,
    `msi_res_id=${two.id}`,
    `mi_res_id=${two.id.toUpperCase()}`,
  ]) {
    assert.equal((await ask(azure, `${base}&${query}`)).body.client_id, two.clientId, query)
  }
})

test('an identity that the machine does not have is refused', async (t) => {
  const setting = await withScaleSet(t)
  const { azure, scaleSet } = setting
  const identity = await azure.createIdentity('node')
  const notAssigned = { error: 'invalid_request', error_description: 'Identity not found' }
  assert.deepEqual(await ask(azure, `${base}&client_id=${identity.clientId}`), { status: 400, body: notAssigned })
  await assign(setting, identity)
  assert.equal((await ask(azure, `${base}&client_id=${identity.clientId}`)).status, 200)
  await azure.arm('PATCH', scaleSet, {
    identity: { type: 'UserAssigned', userAssignedIdentities: { [identity.id]: null } },
  })
  assert.equal((await ask(azure, `${base}&client_id=${identity.clientId}`)).status, 400)
})

test('a system-assigned identity is created and deleted with its machine, and is the default', async (t) => {
  const { azure, scaleSet } = await withScaleSet(t)
  const { identity } = await azure.arm('PATCH', scaleSet, { identity: { type: 'SystemAssigned' } })
  assert.equal(identity.type, 'SystemAssigned')
  const { body } = await ask(azure, base)
  assert.equal(decodeJwt(body.access_token ?? '').oid, identity.principalId)
  await azure.arm.delete(scaleSet)
  assert.equal((await ask(azure, base)).status, 400)
})

test('invalid requests are refused with 400, never 404', async (t) => {
  const { azure } = await withScaleSet(t)
  assert.deepEqual(await ask(azure, base, {}), {
    status: 400,
    body: { error: 'bad_request_102', error_description: 'Required metadata header not specified' },
  })
  assert.match((await ask(azure, '?resource=x')).body.error_description ?? '', /'api-version' is missing/)
  assert.match((await ask(azure, '?api-version=2018-02-01')).body.error_description ?? '', /'resource' is missing/)
  assert.equal((await ask(azure, base, { metadata: 'true', 'x-forwarded-for': '10.0.0.1' })).status, 403)
})

test('only a caller who may assign an identity assigns it to a machine, and it must exist', async (t) => {
  const { azure, scaleSet } = await withScaleSet(t)
  const missing = scaleSet.replace(/Microsoft\.Compute.*/, 'Microsoft.ManagedIdentity/userAssignedIdentities/none')
  await assert.rejects(
    azure.arm('PATCH', scaleSet, { identity: { type: 'UserAssigned', userAssignedIdentities: { [missing]: {} } } }),
    /FailedIdentityOperation.*was not found/,
  )
})
