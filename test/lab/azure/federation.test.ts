import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ClientAssertionCredential, WorkloadIdentityCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
import { decodeJwt, type JWTPayload, SignJWT } from 'jose'
import {
  sdkOptions,
  startLocalAzure,
  type TestAzure,
  type TestIdentity,
  trustInThisProcess,
} from '../../support/local-azure.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { startTestIssuer, type TestIssuer } from '../../support/test-issuer.ts'

const subject = 'system:serviceaccount:default:workload-identity-sa'

interface Setting {
  azure: TestAzure
  issuer: TestIssuer
  identity: TestIdentity
}

/** An identity that trusts one subject of one issuer. */
async function federated(t: TestContext): Promise<Setting> {
  const issuer = await startTestIssuer(t)
  const azure = await startLocalAzure(t, { issuerCaFiles: [issuer.caFile] })
  trustInThisProcess(azure)
  const identity = await azure.createIdentity('workload')
  await azure.federate(identity, { issuer: issuer.url, subject })
  return { azure, issuer, identity }
}

/** What the official library makes of Entra's answer to this assertion. */
async function signIn({ azure, identity }: Setting, assertion: string | Promise<string>) {
  const { tenantId } = azure.administrator
  const credential = new ClientAssertionCredential(
    tenantId,
    identity.clientId,
    async () => assertion,
    sdkOptions(azure),
  )
  return credential.getToken('https://vault.azure.net/.default')
}

function refused(code: number, ...texts: (string | RegExp)[]) {
  return (error: Error) => {
    for (const text of [`AADSTS${code}: `, 'Trace ID: ', ...texts]) {
      const found = typeof text === 'string' ? error.message.includes(text) : text.test(error.message)
      assert.ok(found, `expected ${text} in: ${error.message}`)
    }
    return true
  }
}

test('WorkloadIdentityCredential reads a secret with a token of the cluster and the role of its identity', async (t) => {
  const { azure, issuer, identity } = await federated(t)
  const vault = await azure.createVault('shop')
  await azure.assignRole('Key Vault Secrets User', identity.principalId, vault.id)
  await azure.setSecret('shop', 'ExampleSecret', 'from the vault')
  const tokenFilePath = temporaryFile(t, await issuer.token(subject))
  const credential = new WorkloadIdentityCredential({
    tenantId: azure.administrator.tenantId,
    clientId: identity.clientId,
    tokenFilePath,
    ...sdkOptions(azure),
  })
  const secret = await new SecretClient(vault.url, credential, sdkOptions(azure)).getSecret('ExampleSecret')
  assert.equal(secret.value, 'from the vault')
})

test("the token of a managed identity has Azure's claims", async (t) => {
  const setting = await federated(t)
  const { azure, identity } = setting
  const token = await signIn(setting, setting.issuer.token(subject))
  const claims = decodeJwt(token.token)
  const { tenantId } = azure.administrator
  assert.equal(claims.iss, `https://sts.windows.net/${tenantId}/`)
  assert.equal(claims.aud, 'https://vault.azure.net')
  assert.deepEqual(
    [claims.oid, claims.sub, claims.appid, claims.tid, claims.idtyp, claims.ver, claims.xms_mirid],
    [identity.principalId, identity.principalId, identity.clientId, tenantId, 'app', '1.0', identity.id],
  )
})

test('a wrong subject is refused, naming the presented and the configured one', async (t) => {
  const setting = await federated(t)
  await assert.rejects(
    signIn(setting, setting.issuer.token('system:serviceaccount:default:other')),
    refused(
      700213,
      "presented assertion subject 'system:serviceaccount:default:other'",
      'Check your federated identity credential Subject, Audience and Issuer against the presented assertion.',
      `Configured subjects for this identity and issuer: '${subject}'.`,
    ),
  )
})

test('a subject that differs in case only has its own refusal', async (t) => {
  const setting = await federated(t)
  await assert.rejects(
    signIn(setting, setting.issuer.token(subject.toUpperCase())),
    refused(7002138, 'The subject matches with case-insensitive comparison, but not with case-sensitive comparison.'),
  )
})

test('issuers are compared byte for byte: a trailing slash is another issuer', async (t) => {
  const setting = await federated(t)
  const iss = `${setting.issuer.url}/`
  await assert.rejects(signIn(setting, setting.issuer.token(subject, { iss })), refused(700211, `issuer '${iss}'`))
})

test('an issuer with a trailing slash works when both sides have it', async (t) => {
  const setting = await federated(t)
  const iss = `${setting.issuer.url}/`
  setting.issuer.claimedIssuer = iss
  await setting.azure.federate(setting.identity, { issuer: iss, subject })
  await signIn(setting, setting.issuer.token(subject, { iss }))
})

test('a wrong audience is refused', async (t) => {
  const setting = await federated(t)
  await assert.rejects(
    signIn(setting, setting.issuer.token(subject, { aud: ['api://other'] })),
    refused(700212, "audience 'api://other'", 'api://AzureADTokenExchange'),
  )
})

test('an identity without federated credentials is refused with that reason', async (t) => {
  const setting = await federated(t)
  const identity = await setting.azure.createIdentity('bare')
  await assert.rejects(
    signIn({ ...setting, identity }, setting.issuer.token(subject)),
    refused(70025, `The client 'bare'(${identity.clientId}) has no configured federated identity credentials.`),
  )
})

const outOfTime: Record<string, JWTPayload> = {
  expired: { exp: Math.floor(Date.now() / 1000) - 600 },
  'not yet valid': { nbf: Math.floor(Date.now() / 1000) + 600 },
}
for (const [when, claims] of Object.entries(outOfTime)) {
  test(`an assertion that is ${when} is refused with both times`, async (t) => {
    const setting = await federated(t)
    await assert.rejects(
      signIn(setting, setting.issuer.token(subject, claims)),
      refused(700024, 'Current time: ', 'assertion valid from ', 'expiry time of assertion '),
    )
  })
}

test('a signature of another key is refused', async (t) => {
  const setting = await federated(t)
  const genuine = await setting.issuer.token(subject)
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const forged = await new SignJWT(decodeJwt(genuine))
    .setProtectedHeader({ alg: 'RS256', kid: 'key-0' })
    .sign(privateKey)
  await assert.rejects(signIn(setting, forged), refused(50013, 'did not match the expected signature value'))
})

test('a key that the issuer does not publish is refused', async (t) => {
  const setting = await federated(t)
  setting.issuer.rollKey({ publish: false })
  await assert.rejects(signIn(setting, setting.issuer.token(subject)), refused(50013, 'The key was not found.'))
})

test('keys are cached between sign-ins, and fetched again for an unknown key id', async (t) => {
  let now = Date.now()
  const issuer = await startTestIssuer(t)
  const clock = { now: () => now, elapsed: () => now, after: () => () => {} }
  const azure = await startLocalAzure(t, { issuerCaFiles: [issuer.caFile], clock })
  trustInThisProcess(azure)
  const identity = await azure.createIdentity('workload')
  await azure.federate(identity, { issuer: issuer.url, subject })
  const setting = { azure, issuer, identity }
  await signIn(setting, issuer.token(subject))
  await signIn(setting, issuer.token(subject))
  assert.equal(issuer.requests.length, 2)
  issuer.rollKey()
  now += 5000
  await signIn(setting, issuer.token(subject))
  assert.equal(issuer.requests.length, 4)
})

test('a text that is not a token is refused as malformed', async (t) => {
  const setting = await federated(t)
  await assert.rejects(signIn(setting, 'not-a-token'), refused(50027))
})

test('an unsigned token is refused', async (t) => {
  const setting = await federated(t)
  const [, payload] = (await setting.issuer.token(subject)).split('.')
  const header = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url')
  await assert.rejects(signIn(setting, `${header}.${payload}.`), refused(50013))
})

test('an issuer that names another issuer in its discovery document is refused', async (t) => {
  const setting = await federated(t)
  setting.issuer.claimedIssuer = 'https://elsewhere.example'
  await assert.rejects(
    signIn(setting, setting.issuer.token(subject)),
    refused(90061, 'Request to External OIDC endpoint failed.', 'https://elsewhere.example'),
  )
})

test('an issuer is trusted only through its CA file, which may be created after the start', async (t) => {
  const issuer = await startTestIssuer(t)
  const directory = temporaryDirectory(t)
  const caFile = join(directory, 'later.pem')
  const azure = await startLocalAzure(t, { issuerCaFiles: [caFile] })
  trustInThisProcess(azure)
  const identity = await azure.createIdentity('workload')
  await azure.federate(identity, { issuer: issuer.url, subject })
  const setting = { azure, issuer, identity }
  await assert.rejects(signIn(setting, issuer.token(subject)), refused(90061))
  copyFileSync(issuer.caFile, caFile)
  await signIn(setting, issuer.token(subject))
})

test('a federated credential that was removed no longer signs in', async (t) => {
  const setting = await federated(t)
  const { azure, issuer, identity } = setting
  await signIn(setting, issuer.token(subject))
  const { value } = await azure.arm.get(`${identity.id}/federatedIdentityCredentials`)
  await azure.arm.delete(value[0].id)
  await assert.rejects(signIn(setting, issuer.token(subject)), refused(70025))
})

function temporaryFile(t: TestContext, text: string): string {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'token')
  writeFileSync(path, text)
  return path
}

test('identities and applications have at most twenty federated credentials, and none twice', async (t) => {
  const azure = await startLocalAzure(t)
  const identity = await azure.createIdentity('app')
  const { body: application } = await azure.graph('POST', '/applications', { displayName: 'app' })
  const ofApplication = `/applications/${application.id}/federatedIdentityCredentials`
  const credential = (number: number) => ({
    name: `n-${number}`,
    issuer: 'https://issuer.test',
    subject: `s-${number}`,
  })
  for (let number = 0; number < 20; number++) {
    await azure.federate(identity, credential(number))
    assert.equal((await azure.graph('POST', ofApplication, credential(number))).status, 201)
  }
  await assert.rejects(azure.federate(identity, credential(20)), /400 BadRequest: .*at most 20/)
  const { status, body } = await azure.graph('POST', ofApplication, credential(20))
  assert.equal(status, 400)
  assert.match(body.error.message, /at most 20/)

  const twin = { ...credential(3), name: 'twin' }
  await assert.rejects(azure.federate(identity, twin), /409 Conflict: Issuer and subject combination already exists/)
  assert.equal((await azure.graph('POST', ofApplication, twin)).status, 409)
})
