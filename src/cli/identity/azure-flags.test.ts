import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ProblemsError } from '#lib'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { parseAzureFlags } from './azure-flags.ts'
import type { AzureFlags } from './sign-in-options.ts'

const id = '11111111-2222-3333-4444-555555555555'

/** A world with this environment and a home of its own, with these files. */
function worldOf(t: TestContext, env: Record<string, string> = {}, files: Record<string, string> = {}) {
  const userHome = temporaryDirectory(t)
  mkdirSync(join(userHome, '.azure'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(userHome, name), text)
  return { env, userHome }
}

const file = (world: { userHome: string }, name: string) => join(world.userHome, name)

const wrong: [name: string, flags: AzureFlags, words: RegExp][] = [
  [
    'method empty',
    { authMethod: '', subscriptionId: id },
    /--auth-method: found "", expected one of cli, client_secret/,
  ],
  [
    'bad UUID client id for secret',
    { authMethod: 'client_secret', clientId: 'x', subscriptionId: id },
    /--client-id is required \(and must be a valid UUID\): found "x"/,
  ],
  [
    'bad UUID client id for certificate',
    { authMethod: 'client_certificate', clientId: 'x', subscriptionId: id },
    /--client-id is required \(and must be a valid UUID\): found "x"/,
  ],
  ['secret missing', { authMethod: 'client_secret', clientId: id, subscriptionId: id }, /a client secret is required/],
  [
    'certificate path missing',
    { authMethod: 'client_certificate', clientId: id, subscriptionId: id },
    /--certificate-path is required/,
  ],
  ['subscription id missing', {}, /--subscription-id is required \(and must be a valid UUID\)/],
  ['subscription id no UUID', { subscriptionId: 'mine' }, /--subscription-id is required \(and must be a valid UUID\)/],
  [
    'unknown cloud',
    { subscriptionId: id, azureEnv: 'Azur' },
    /--azure-env: found "Azur", expected one of AzurePublicCloud/,
  ],
]

for (const [name, flags, words] of wrong) {
  test(`azwi: auth args: ${name}`, (t) => {
    assert.throws(
      () => parseAzureFlags(flags, worldOf(t)),
      (error: unknown) => {
        assert.ok(error instanceof ProblemsError)
        assert.match(error.message, words)
        return true
      },
    )
  })
}

test('azwi: auth args: key path missing, unless the key is in the certificate’s file', (t) => {
  const world = worldOf(t, {}, { 'cert.pem': 'a certificate', 'both.pem': '-----BEGIN PRIVATE KEY-----' })
  const flags = { authMethod: 'client_certificate', clientId: id, subscriptionId: id }
  const parse = (certificatePath: string) => () => parseAzureFlags({ ...flags, certificatePath }, world)
  assert.throws(parse(file(world, 'cert.pem')), /--private-key-path is required/)
  parse(file(world, 'both.pem'))()
})

test('azwi: auth args: certificate ok', (t) => {
  const world = worldOf(t, {}, { 'cert.pem': 'a certificate', 'key.pem': 'its key' })
  const paths = { certificatePath: file(world, 'cert.pem'), privateKeyPath: file(world, 'key.pem') }
  const flags = { authMethod: 'client_certificate', clientId: id, subscriptionId: id, ...paths }
  const { signIn } = parseAzureFlags(flags, world)
  assert.ok(signIn.kind === 'credential')
  const credential = signIn.credentialIn('tenant')
  assert.ok(credential.kind === 'service-principal' && credential.proof.kind === 'certificate')
  assert.equal(credential.proof.certificate.revealText(), 'a certificate\nits key')
})

test('azwi: auth args: secret ok, by environment or file, and never printed', (t) => {
  const world = worldOf(t, { AZURE_CLIENT_SECRET: 'hunter2' }, { secret: 'hunter3\n' })
  const flags = { authMethod: 'client_secret', clientId: id, subscriptionId: id }
  const secretOf = (more: AzureFlags) => {
    const settings = parseAzureFlags({ ...flags, ...more }, world)
    assert.doesNotMatch(JSON.stringify(settings), /hunter/)
    assert.ok(settings.signIn.kind === 'credential')
    const credential = settings.signIn.credentialIn('tenant')
    assert.doesNotMatch(JSON.stringify(credential), /hunter/)
    assert.ok(credential.kind === 'service-principal' && credential.proof.kind === 'secret')
    return credential.proof.secret.revealText()
  }
  assert.equal(secretOf({}), 'hunter2')
  assert.equal(secretOf({ clientSecretFile: file(world, 'secret') }), 'hunter3')
  assert.equal(secretOf({ authMethod: 'cli' }), 'hunter2', 'a client id and a secret mean client_secret')
})

test('azwi: auth args: subscription id from az config files', (t) => {
  const clouds = `[AzureCloud]\nsubscription = ${id}\n\n[AzureUSGovernment]\nsubscription = 22222222${id.slice(8)}\n`
  const ofPublic = worldOf(t, {}, { '.azure/clouds.config': clouds })
  assert.equal(parseAzureFlags({}, ofPublic).subscriptionId, id)
  const config = '[cloud]\nname = AzureUSGovernment\n'
  const ofGovernment = worldOf(t, {}, { '.azure/clouds.config': clouds, '.azure/config': config })
  assert.equal(parseAzureFlags({}, ofGovernment).subscriptionId, `22222222${id.slice(8)}`)
  const other = `33333333${id.slice(8)}`
  assert.equal(parseAzureFlags({ subscriptionId: other }, ofPublic).subscriptionId, other)
})

test('workload identity needs the variables that the webhook sets; a managed identity needs none', (t) => {
  const flags = { authMethod: 'workload_identity', subscriptionId: id }
  assert.throws(
    () => parseAzureFlags(flags, worldOf(t)),
    /--client-id is required.*AZURE_FEDERATED_TOKEN_FILE is required/,
  )
  const token = `h.${Buffer.from(JSON.stringify({ iss: 'https://issuer', sub: 's', aud: 'a' })).toString('base64url')}.s`
  const files = worldOf(t, {}, { token })
  const env = { AZURE_CLIENT_ID: id, AZURE_TENANT_ID: 'tenant', AZURE_FEDERATED_TOKEN_FILE: file(files, 'token') }
  const { signIn, tenantId } = parseAzureFlags(flags, { ...files, env })
  assert.equal(tenantId, 'tenant')
  assert.ok(signIn.kind === 'credential')
  const credential = signIn.credentialIn('tenant')
  assert.ok(credential.kind === 'workload' && credential.assertion.claims.issuer === 'https://issuer')

  const managed = parseAzureFlags({ authMethod: 'managed_identity', subscriptionId: id }, worldOf(t)).signIn
  assert.ok(managed.kind === 'credential')
  assert.deepEqual(managed.credentialIn('t'), { kind: 'managed', tenantId: 't', clientId: undefined })
})
