import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { SecretValue } from '#lib'
import { temporaryDirectory } from '../../../../test/support/temporary-directory.ts'
import { writeAzProfile } from './az-profile.ts'

const credentials = { tenantId: 't1', subscriptionId: 's1', clientId: 'c1', clientSecret: SecretValue.of('sesame') }

function temporaryProfile(t: TestContext) {
  const directory = temporaryDirectory(t)
  const path = (name: string) => join(directory, name)
  return { directory, path, read: (name: string) => JSON.parse(readFileSync(path(name), 'utf8')) }
}

test('writeAzProfile() signs in, in files that only their owner reads', (t) => {
  const { directory, path, read } = temporaryProfile(t)
  writeAzProfile(directory, credentials)
  const [subscription] = read('azureProfile.json').subscriptions
  assert.deepEqual([subscription.id, subscription.tenantId, subscription.isDefault], ['s1', 't1', true])
  assert.deepEqual(read('service_principal_entries.json'), [{ client_id: 'c1', tenant: 't1', client_secret: 'sesame' }])
  assert.equal(statSync(path('service_principal_entries.json')).mode & 0o777, 0o600)
  assert.equal(statSync(directory).mode & 0o777, 0o700)
})

test('writeAzProfile() leaves a profile of the tenant alone, and replaces that of another', (t) => {
  const { directory, path, read } = temporaryProfile(t)
  const signedIn = (tenantId: string) => `\uFEFF${JSON.stringify({ subscriptions: [{ id: 'other', tenantId }] })}`
  writeFileSync(path('azureProfile.json'), signedIn('t1'))
  writeAzProfile(directory, credentials)
  assert.match(readFileSync(path('azureProfile.json'), 'utf8'), /other/)
  writeFileSync(path('azureProfile.json'), signedIn('t0'))
  writeFileSync(path('msal_token_cache.json'), '{}')
  writeAzProfile(directory, credentials)
  assert.equal(read('azureProfile.json').subscriptions[0].id, 's1')
  assert.throws(() => statSync(path('msal_token_cache.json')), { code: 'ENOENT' })
})
