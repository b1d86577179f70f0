import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClientSecretCredential } from '@azure/identity'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { sdkOptions, startLocalAzure, type TestAzure, trustInThisProcess } from '../../support/local-azure.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const login = 'https://login.microsoftonline.com'

async function getJson(azure: TestAzure, url: string) {
  const { status, body } = await azure.send({ url: new URL(url) })
  return { status, body: JSON.parse(body.toString('utf8')) }
}

/** Posts a form to the token endpoint; undefined leaves a field out. */
async function postToken(azure: TestAzure, changes: Record<string, string | undefined>, path?: string) {
  const { tenantId, clientId, clientSecret } = azure.administrator
  const form: Record<string, string | undefined> = {
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: clientSecret,
    scope: 'https://vault.azure.net/.default',
    ...changes,
  }
  const fields = Object.entries(form).filter((field): field is [string, string] => field[1] !== undefined)
  const { status, body } = await azure.send({
    method: 'POST',
    url: new URL(path ?? `/${tenantId}/oauth2/v2.0/token`, login),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(fields).toString(),
  })
  return { status, body: JSON.parse(body.toString('utf8')) }
}

test('ClientSecretCredential signs in with the credentials file', async (t) => {
  const azure = await startLocalAzure(t)
  trustInThisProcess(azure)
  const { tenantId, clientId, clientSecret } = azure.administrator
  const credential = new ClientSecretCredential(tenantId, clientId, clientSecret, sdkOptions(azure))
  const { token } = await credential.getToken('https://management.azure.com/.default')
  assert.equal(decodeJwt(token).appid, clientId)
  assert.equal(decodeProtectedHeader(token).alg, 'RS256')
})

test('ClientSecretCredential reports a wrong secret with its code', async (t) => {
  const azure = await startLocalAzure(t)
  trustInThisProcess(azure)
  const { tenantId, clientId } = azure.administrator
  const credential = new ClientSecretCredential(tenantId, clientId, 'wrong', sdkOptions(azure))
  await assert.rejects(credential.getToken('https://vault.azure.net/.default'), (error: Error) => {
    assert.match(error.message, new RegExp(`AADSTS7000215: .*added to app '${clientId}'`))
    return true
  })
})

test('discovery, keys and tokens match each other', async (t) => {
  const azure = await startLocalAzure(t)
  const { tenantId } = azure.administrator
  const { body: configuration } = await getJson(azure, `${login}/${tenantId}/v2.0/.well-known/openid-configuration`)
  assert.equal(configuration.issuer, `${login}/${tenantId}/v2.0`)
  assert.equal(configuration.token_endpoint, `${login}/${tenantId}/oauth2/v2.0/token`)
  const { body: jwks } = await getJson(azure, configuration.jwks_uri)
  const header = decodeProtectedHeader(await azure.token('https://vault.azure.net'))
  assert.equal(jwks.keys[0].kid, header.kid)
  const { body: organizations } = await getJson(azure, `${login}/organizations/v2.0/.well-known/openid-configuration`)
  assert.equal(organizations.issuer, `${login}/{tenantid}/v2.0`)
})

test('instance discovery accepts its own host and refuses others', async (t) => {
  const azure = await startLocalAzure(t)
  const ask = (host: string) =>
    getJson(
      azure,
      `${login}/common/discovery/instance?api-version=1.1&authorization_endpoint=https://${host}/common/oauth2/v2.0/authorize`,
    )
  const known = await ask('login.microsoftonline.com')
  assert.equal(known.body.metadata[0].preferred_network, 'login.microsoftonline.com')
  const unknown = await ask('login.example.com')
  assert.deepEqual([unknown.status, unknown.body.error], [400, 'invalid_instance'])
})

test('v2 answers numbers, v1 answers strings', async (t) => {
  const azure = await startLocalAzure(t)
  const { tenantId } = azure.administrator
  const v2 = await postToken(azure, {})
  assert.deepEqual([v2.body.token_type, v2.body.expires_in], ['Bearer', 3599])
  const v1 = await postToken(
    azure,
    { scope: undefined, resource: 'https://vault.azure.net' },
    `/${tenantId}/oauth2/token`,
  )
  assert.deepEqual([v1.body.expires_in, v1.body.resource], ['3599', 'https://vault.azure.net'])
  assert.match(v1.body.expires_on, /^\d+$/)
})

test('the audience is the scope less one /.default, with its own slash', async (t) => {
  const azure = await startLocalAzure(t)
  const { body } = await postToken(azure, { scope: 'https://management.core.windows.net//.default' })
  assert.equal(decodeJwt(body.access_token).aud, 'https://management.core.windows.net/')
})

const refusals: [string, Record<string, string | undefined>, number, string, number][] = [
  ['an unknown application', { client_id: '00000000-0000-0000-0000-000000000001' }, 400, 'unauthorized_client', 700016],
  ['a wrong secret', { client_secret: 'wrong' }, 401, 'invalid_client', 7000215],
  ['no proof of identity', { client_secret: undefined }, 401, 'invalid_client', 7000218],
  ['no grant type', { grant_type: undefined }, 400, 'invalid_request', 900144],
  ['no client id', { client_id: undefined }, 400, 'invalid_request', 900144],
  ['no scope', { scope: undefined }, 400, 'invalid_request', 900144],
  ['another grant type', { grant_type: 'urn:example:magic' }, 400, 'unsupported_grant_type', 70003],
  ['a scope without /.default', { scope: 'https://vault.azure.net' }, 400, 'invalid_scope', 1002012],
  ['two scopes', { scope: 'https://a/.default https://b/.default' }, 400, 'invalid_scope', 70011],
  ['a refresh token', { grant_type: 'refresh_token', refresh_token: 'x' }, 400, 'invalid_grant', 70000],
  ['no refresh token', { grant_type: 'refresh_token' }, 400, 'invalid_request', 900144],
  ['a user', { grant_type: 'password', username: 'ada@example.com', password: 'x' }, 400, 'invalid_grant', 50034],
  ['an authorization code', { grant_type: 'authorization_code', code: 'x' }, 400, 'invalid_grant', 70000],
  ['an unknown resource', { scope: 'https://elsewhere.example/.default' }, 400, 'invalid_resource', 500011],
]

test('refusals of the token endpoint have the codes of Entra', async (t) => {
  const azure = await startLocalAzure(t)
  for (const [what, changes, status, error, code] of refusals) {
    const answer = await postToken(azure, changes)
    assert.deepEqual([answer.status, answer.body.error, answer.body.error_codes], [status, error, [code]], what)
    assert.match(
      answer.body.error_description,
      new RegExp(
        `^AADSTS${code}: .* Trace ID: \\S+ Correlation ID: \\S+ Timestamp: \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\dZ$`,
      ),
      what,
    )
  }
})

test("az's client for users is not in the directory and is refused at once", async (t) => {
  const azure = await startLocalAzure(t)
  const form = { grant_type: undefined, client_id: '04b07795-8ddb-461a-bbee-02f9e1bf7b46', client_secret: undefined }
  const { tenantId } = azure.administrator
  const { status, body } = await postToken(azure, form, `/${tenantId}/oauth2/v2.0/devicecode`)
  assert.deepEqual([status, body.error, body.error_codes], [400, 'unauthorized_client', [700016]])
  const page = await getJson(azure, `${login}/organizations/oauth2/v2.0/authorize?client_id=${form.client_id}`)
  assert.deepEqual([page.status, page.body.error_codes], [400, [700016]])
})

test('the realm of a user is Managed for the domain of the tenant and Unknown otherwise', async (t) => {
  const azure = await startLocalAzure(t)
  const realm = (user: string) => getJson(azure, `${login}/common/userrealm/${user}?api-version=1.0`)
  assert.equal((await realm('ada%40keymount.onmicrosoft.com')).body.account_type, 'Managed')
  assert.equal((await realm('ada@example.com')).body.account_type, 'Unknown')
  assert.equal((await realm('%zz')).status, 200)
})

test('a public client gets a device code, which stays pending until it expires', async (t) => {
  const clock = createManualClock()
  const azure = await startLocalAzure(t, { clock })
  const { tenantId } = azure.administrator
  const { body: made } = await azure.graph('POST', '/applications', { displayName: 'tool' })
  const client = { client_id: made.appId, client_secret: undefined }
  const ask = (form: Record<string, string | undefined>, endpoint: string) =>
    postToken(azure, { ...client, ...form }, `/${tenantId}/oauth2/v2.0/${endpoint}`)
  assert.deepEqual((await ask({}, 'devicecode')).body.error_codes, [7000218])
  await azure.graph('PATCH', `/applications/${made.id}`, { isFallbackPublicClient: true })
  const { body: code } = await ask({}, 'devicecode')
  assert.match(code.message, new RegExp(code.user_code))
  const poll = (device_code: string) =>
    ask({ grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code }, 'token')
  const pending = await poll(code.device_code)
  assert.deepEqual(
    [pending.status, pending.body.error, pending.body.error_codes],
    [400, 'authorization_pending', [70016]],
  )
  assert.deepEqual((await poll('other')).body.error_codes, [70000])
  await clock.advance(901_000)
  const expired = await poll(code.device_code)
  assert.deepEqual([expired.body.error, expired.body.error_codes], ['expired_token', [70020]])

  const query = new URLSearchParams({
    client_id: made.appId,
    prompt: 'none',
    redirect_uri: 'http://localhost:1/',
    state: 's',
  })
  const silent = await azure.send({ url: new URL(`${login}/${tenantId}/oauth2/v2.0/authorize?${query}`) })
  assert.equal(silent.status, 302)
  assert.match(String(silent.headers.location), /^http:\/\/localhost:1\/\?error=login_required.*AADSTS50058.*state=s$/)
})

test('an unknown tenant is refused everywhere, the domain name of the tenant is not', async (t) => {
  const azure = await startLocalAzure(t)
  const unknown = '00000000-0000-0000-0000-000000000001'
  for (const path of ['v2.0/.well-known/openid-configuration', 'discovery/v2.0/keys']) {
    const { status, body } = await getJson(azure, `${login}/${unknown}/${path}`)
    assert.deepEqual([status, body.error, body.error_codes], [400, 'invalid_tenant', [90002]])
  }
  const token = await postToken(azure, {}, `/${unknown}/oauth2/v2.0/token`)
  assert.deepEqual(token.body.error_codes, [90002])
  assert.equal((await postToken(azure, {}, '/keymount.onmicrosoft.com/oauth2/v2.0/token')).status, 200)
})

test("operations that are not implemented are refused in Entra's format", async (t) => {
  const azure = await startLocalAzure(t)
  const { status, body } = await getJson(azure, `${login}/common/oauth2/v2.0/logout`)
  assert.deepEqual([status, body.error], [501, 'not_implemented'])
  assert.match(body.error_description, /does not implement entra\.logout \(GET \/common\/oauth2\/v2.0\/logout\)/)
})
