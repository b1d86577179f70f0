import assert from 'node:assert/strict'
import { createPrivateKey, randomUUID, X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  ClientAssertionCredential,
  ClientCertificateCredential,
  ClientSecretCredential,
  type TokenCredential,
} from '@azure/identity'
import { type JWTPayload, SignJWT } from 'jose'
import { sdkOptions, startLocalAzure, type TestAzure, trustInThisProcess } from '../../support/local-azure.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { createOpenssl } from '../../support/openssl.ts'
import { startTestIssuer } from '../../support/test-issuer.ts'

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs

/** Graph as the administrator, and what the tests make there. */
async function directory(t: TestContext, options: Parameters<typeof startLocalAzure>[1] = {}) {
  const azure = await startLocalAzure(t, options)
  trustInThisProcess(azure)
  const { graph } = azure
  const createApplication = async (properties: object = {}) => {
    const { body: application } = await graph('POST', '/applications', { displayName: 'shop', ...properties })
    const { body: principal } = await graph('POST', '/servicePrincipals', { appId: application.appId })
    return { id: String(application.id), appId: String(application.appId), principalId: String(principal.id) }
  }
  return { azure, graph, createApplication }
}

const getToken = (credential: TokenCredential) => credential.getToken('https://vault.azure.net/.default')

async function refusedWith(code: number, signIn: Promise<unknown>): Promise<void> {
  await assert.rejects(signIn, (error: Error) => {
    assert.match(error.message, new RegExp(`AADSTS${code}: `))
    return true
  })
}

function secretCredential(azure: TestAzure, appId: string, secret: string) {
  return new ClientSecretCredential(azure.administrator.tenantId, appId, secret, sdkOptions(azure))
}

function certificateOf(t: TestContext) {
  const openssl = createOpenssl(t)
  const { key, certificate } = openssl.certificate('app')
  const path = openssl.path('app-with-key.pem')
  writeFileSync(path, `${key}\n${certificate}`)
  return { key, path, der: new X509Certificate(certificate).raw.toString('base64') }
}

const keyCredential = (der: string, more: object = {}) => ({
  type: 'AsymmetricX509Cert',
  usage: 'Verify',
  key: der,
  ...more,
})

test('a secret of an application or of its principal signs in until it expires or is removed', async (t) => {
  const clock = createManualClock()
  const { azure, graph, createApplication } = await directory(t, { clock })
  const { id, appId, principalId } = await createApplication()
  const endDateTime = new Date(clock.now() + dayMs).toISOString()
  const { body: first } = await graph('POST', `/applications/${id}/addPassword`, {
    passwordCredential: { endDateTime },
  })
  const { body: second } = await graph('POST', `/servicePrincipals/${principalId}/addPassword`, {})
  assert.equal(first.hint, first.secretText.slice(0, 3))
  await getToken(secretCredential(azure, appId, first.secretText))
  await getToken(secretCredential(azure, appId, second.secretText))

  await clock.advance(dayMs + minuteMs)
  await refusedWith(7000222, getToken(secretCredential(azure, appId, first.secretText)))
  await graph('POST', `/servicePrincipals/${principalId}/removePassword`, { keyId: second.keyId })
  await refusedWith(7000215, getToken(secretCredential(azure, appId, second.secretText)))
})

test('the state contains no secret of an application, and Graph shows it once', async (t) => {
  const { azure, graph, createApplication } = await directory(t)
  const { id } = await createApplication()
  const { body: password } = await graph('POST', `/applications/${id}/addPassword`, {})
  const { body: shown } = await graph('GET', `/applications/${id}`)
  assert.deepEqual(
    shown.passwordCredentials.map(({ secretText }: { secretText: unknown }) => secretText),
    [null],
  )
  assert.ok(!JSON.stringify(shown).includes(password.secretText))
  assert.ok(!readFileSync(join(azure.stateDir, 'state.jsonl'), 'utf8').includes(password.secretText))
})

test('ClientCertificateCredential signs in with a registered certificate, and with no other', async (t) => {
  const { azure, graph, createApplication } = await directory(t)
  const { path, der } = certificateOf(t)
  const { id, appId } = await createApplication()
  const { tenantId } = azure.administrator
  const credential = () => new ClientCertificateCredential(tenantId, appId, path, sdkOptions(azure))
  await refusedWith(700027, getToken(credential()))
  await graph('PATCH', `/applications/${id}`, { keyCredentials: [keyCredential(der)] })
  await getToken(credential())
  const { body: shown } = await graph('GET', `/applications/${id}`)
  assert.equal(shown.keyCredentials[0].customKeyIdentifier.length, 40)
  assert.equal(shown.keyCredentials[0].key, null)
  await graph('PATCH', `/applications/${id}`, { keyCredentials: shown.keyCredentials })
  await getToken(credential())
})

test('an assertion of the application itself is checked for its certificate, audience, client and time', async (t) => {
  const { azure, createApplication } = await directory(t)
  const { key, der } = certificateOf(t)
  const { tenantId } = azure.administrator
  const ended = { startDateTime: '2020-01-01T00:00:00Z', endDateTime: '2020-02-01T00:00:00Z' }
  const { appId } = await createApplication({ keyCredentials: [keyCredential(der)] })
  const { appId: lateId } = await createApplication({
    displayName: 'late',
    keyCredentials: [keyCredential(der, ended)],
  })
  const x5t = Buffer.from(new X509Certificate(Buffer.from(der, 'base64')).fingerprint.replaceAll(':', ''), 'hex')
  const now = Math.floor(Date.now() / 1000)
  const signIn = (clientId: string, claims: JWTPayload = {}) => {
    const payload = {
      iss: clientId,
      sub: clientId,
      aud: `https://login.microsoftonline.com/${tenantId}/oauth2/v2.0/token`,
      jti: randomUUID(),
      nbf: now,
      exp: now + 600,
      ...claims,
    }
    const assertion = new SignJWT(payload)
      .setProtectedHeader({ alg: 'RS256', x5t: x5t.toString('base64url') })
      .sign(createPrivateKey(key))
    return getToken(new ClientAssertionCredential(tenantId, clientId, () => assertion, sdkOptions(azure)))
  }
  await signIn(appId)
  await refusedWith(700023, signIn(appId, { aud: 'https://login.microsoftonline.com/elsewhere' }))
  await refusedWith(700021, signIn(appId, { iss: lateId, sub: lateId }))
  await refusedWith(700024, signIn(appId, { nbf: now - 7200, exp: now - 3600 }))
  await refusedWith(700027, signIn(lateId))
})

test('an application signs in with a token of an issuer that it trusts', async (t) => {
  const issuer = await startTestIssuer(t)
  const { azure, graph, createApplication } = await directory(t, { issuerCaFiles: [issuer.caFile] })
  const { id, appId } = await createApplication()
  const subject = 'system:serviceaccount:shop:orders'
  const { tenantId } = azure.administrator
  const signIn = (token: Promise<string>) =>
    getToken(new ClientAssertionCredential(tenantId, appId, () => token, sdkOptions(azure)))
  await refusedWith(70025, signIn(issuer.token(subject)))
  await graph('POST', `/applications/${id}/federatedIdentityCredentials`, { name: 'k8s', issuer: issuer.url, subject })
  await signIn(issuer.token(subject))
  await refusedWith(700213, signIn(issuer.token('system:serviceaccount:shop:other')))
  await graph('DELETE', `/applications/${id}/federatedIdentityCredentials/k8s`)
  await refusedWith(70025, signIn(issuer.token(subject)))
})

test('an application can have twenty federated credentials, and none twice', async (t) => {
  const { graph, createApplication } = await directory(t)
  const { id } = await createApplication()
  const path = `/applications/${id}/federatedIdentityCredentials`
  const add = (number: number, subject = `s${number}`) =>
    graph('POST', path, { name: `credential-${number}`, issuer: 'https://issuer.test', subject })
  for (let number = 1; number <= 19; number++) assert.equal((await add(number)).status, 201)
  assert.equal((await add(20, 's1')).status, 409)
  assert.equal((await add(19, 'other')).status, 409)
  assert.equal((await add(20)).status, 201)
  const refused = await add(21)
  assert.equal(refused.status, 400)
  assert.match(refused.body.error.message, /at most 20/)
})

test('without a principal, or with one that is disabled, an application cannot sign in', async (t) => {
  const { azure, graph, createApplication } = await directory(t)
  const { id, appId, principalId } = await createApplication()
  const { body: password } = await graph('POST', `/applications/${id}/addPassword`, {})
  const signIn = () => getToken(secretCredential(azure, appId, password.secretText))
  await graph('PATCH', `/servicePrincipals/${principalId}`, { accountEnabled: false })
  await refusedWith(7000112, signIn())
  await graph('DELETE', `/servicePrincipals/${principalId}`)
  await refusedWith(7000229, signIn())
  await graph('POST', '/servicePrincipals', { appId })
  await signIn()
  await graph('DELETE', `/applications/${id}`)
  await refusedWith(700016, signIn())
})

test('the principal of a managed identity cannot be changed through Graph', async (t) => {
  const { azure, graph } = await directory(t)
  const { principalId } = await azure.createIdentity('orders')
  assert.equal((await graph('DELETE', `/servicePrincipals/${principalId}`)).status, 403)
  assert.equal((await graph('GET', `/servicePrincipals/${principalId}`)).body.servicePrincipalType, 'ManagedIdentity')
})
