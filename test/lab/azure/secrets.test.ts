import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ClientSecretCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
import {
  sdkOptions,
  startLocalAzure,
  type TestAzure,
  trustInThisProcess,
  type VaultOptions,
} from '../../support/local-azure.ts'

interface Setting {
  azure: TestAzure
  client: SecretClient
  /** A call of the data plane as the administrator, without the SDK. */
  raw(
    method: 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE',
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: Body }>
}

// biome-ignore lint/suspicious/noExplicitAny: tests read whatever the answer holds, and fail where it is not there
type Body = any

async function vaultClient(t: TestContext, options?: VaultOptions): Promise<Setting> {
  const azure = await startLocalAzure(t)
  trustInThisProcess(azure)
  const vault = await azure.createVault('shop', options)
  const { tenantId, clientId, clientSecret } = azure.administrator
  const credential = new ClientSecretCredential(tenantId, clientId, clientSecret, sdkOptions(azure))
  const client = new SecretClient(vault.url, credential, { ...sdkOptions(azure), retryOptions: { maxRetries: 0 } })
  const token = await azure.token('https://vault.azure.net')
  return {
    azure,
    client,
    async raw(method, path, body) {
      const answer = await azure.send({
        method,
        url: new URL(path, vault.url),
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: body === undefined ? undefined : JSON.stringify(body),
      })
      const text = answer.body.toString('utf8')
      return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) }
    },
  }
}

function failsWith(statusCode: number, code: string, text?: RegExp) {
  return (error: { statusCode?: number; code?: string; message: string }) => {
    assert.deepEqual([error.statusCode, error.code], [statusCode, code], error.message)
    if (text !== undefined) assert.match(error.message, text)
    return true
  }
}

test('a secret is set and read with everything that belongs to it', async (t) => {
  const { client } = await vaultClient(t)
  const expiresOn = new Date('2030-01-01T00:00:00Z')
  const notBefore = new Date('2020-01-01T00:00:00Z')
  const tags = { team: 'shop' }
  const set = await client.setSecret('ExampleSecret', 'ä value\n', {
    contentType: 'text/plain',
    tags,
    expiresOn,
    notBefore,
  })
  const got = await client.getSecret('ExampleSecret')
  assert.equal(got.value, 'ä value\n')
  assert.deepEqual(got.properties, set.properties)
  assert.deepEqual(
    [got.properties.contentType, got.properties.tags, got.properties.enabled],
    ['text/plain', tags, true],
  )
  assert.deepEqual([got.properties.expiresOn, got.properties.notBefore], [expiresOn, notBefore])
  assert.deepEqual([got.properties.recoveryLevel, got.properties.recoverableDays], ['Recoverable+Purgeable', 90])
  assert.match(got.properties.id ?? '', /^https:\/\/shop\.vault\.azure\.net\/secrets\/ExampleSecret\/[0-9a-f]{32}$/)
})

test('each set creates a version; the latest is the default and old ones stay readable', async (t) => {
  const { client } = await vaultClient(t)
  const first = await client.setSecret('rotated', 'one')
  const second = await client.setSecret('rotated', 'two')
  assert.equal((await client.getSecret('rotated')).properties.version, second.properties.version)
  const old = await client.getSecret('rotated', { version: first.properties.version ?? '' })
  assert.equal(old.value, 'one')
  const versions = await collect(client.listPropertiesOfSecretVersions('rotated'))
  assert.deepEqual(
    versions.map(({ version }) => version).toSorted(),
    [first.properties.version, second.properties.version].toSorted(),
  )
})

test('names have no case, and keep the case of the first version', async (t) => {
  const { client } = await vaultClient(t)
  await client.setSecret('MixedCase', 'one')
  await client.setSecret('mixedcase', 'two')
  const got = await client.getSecret('MIXEDCASE')
  assert.deepEqual([got.name, got.value], ['MixedCase', 'two'])
})

test('lists have pages, contain no values, and contain every secret once', async (t) => {
  const { client, raw } = await vaultClient(t)
  const names = Array.from({ length: 60 }, (_, i) => `secret-${String(i).padStart(2, '0')}`)
  for (const name of names) await client.setSecret(name, 'value')
  const pages = await collect(client.listPropertiesOfSecrets().byPage())
  assert.deepEqual(
    pages.map((page) => page.length),
    [25, 25, 10],
  )
  assert.deepEqual(
    pages.flat().map(({ name }) => name),
    names,
  )
  const small = await raw('GET', '/secrets?api-version=7.4&maxresults=2')
  assert.deepEqual(
    small.body.value.map(({ id, value }: Body) => [id, value]),
    [
      ['https://shop.vault.azure.net/secrets/secret-00', undefined],
      ['https://shop.vault.azure.net/secrets/secret-01', undefined],
    ],
  )
  assert.match(small.body.nextLink, /api-version=7.4&maxresults=2&%24skiptoken=/)
})

test('an update changes attributes and tags, not the value and not the version', async (t) => {
  const { client } = await vaultClient(t)
  const { properties } = await client.setSecret('updated', 'value', { tags: { a: '1' } })
  const updated = await client.updateSecretProperties('updated', properties.version ?? '', {
    contentType: 'text/x',
    tags: { b: '2' },
  })
  assert.deepEqual([updated.contentType, updated.tags, updated.version], ['text/x', { b: '2' }, properties.version])
  const got = await client.getSecret('updated')
  assert.deepEqual([got.value, got.properties.tags], ['value', { b: '2' }])
})

test('a disabled secret is not read, an expired one is', async (t) => {
  const { client, raw } = await vaultClient(t)
  const { properties } = await client.setSecret('off', 'value', { enabled: false })
  await assert.rejects(client.getSecret('off'), failsWith(403, 'Forbidden', /not allowed on a disabled secret/))
  const { body } = await raw('GET', '/secrets/off?api-version=7.4')
  assert.equal(body.error.innererror.code, 'SecretDisabled')
  await client.updateSecretProperties('off', properties.version ?? '', { enabled: true })
  assert.equal((await client.getSecret('off')).value, 'value')
  await client.setSecret('old', 'value', { expiresOn: new Date('2020-01-01T00:00:00Z') })
  assert.equal((await client.getSecret('old')).value, 'value')
})

test('a deleted secret is not readable, is listed as deleted, keeps its name taken, and is recovered with all versions', async (t) => {
  const { client } = await vaultClient(t)
  const first = await client.setSecret('deleted', 'one')
  await client.setSecret('deleted', 'two')
  const deletion = await client.beginDeleteSecret('deleted', { intervalInMs: 10 })
  const deleted = await deletion.pollUntilDone()
  assert.equal(deleted.recoveryId, 'https://shop.vault.azure.net/deletedsecrets/deleted')
  assert.ok(deleted.deletedOn !== undefined && deleted.scheduledPurgeDate !== undefined)
  await assert.rejects(client.getSecret('deleted'), failsWith(404, 'SecretNotFound'))
  await assert.rejects(client.setSecret('deleted', 'x'), failsWith(409, 'Conflict', /deleted but recoverable state/))
  assert.deepEqual(
    (await collect(client.listDeletedSecrets())).map(({ name }) => name),
    ['deleted'],
  )
  assert.deepEqual(await collect(client.listPropertiesOfSecrets()), [])

  await (await client.beginRecoverDeletedSecret('deleted', { intervalInMs: 10 })).pollUntilDone()
  assert.equal((await client.getSecret('deleted')).value, 'two')
  assert.equal((await client.getSecret('deleted', { version: first.properties.version ?? '' })).value, 'one')
})

test('a purged secret is gone, and its name is free', async (t) => {
  const { client } = await vaultClient(t)
  const first = await client.setSecret('purged', 'one')
  await (await client.beginDeleteSecret('purged', { intervalInMs: 10 })).pollUntilDone()
  await client.purgeDeletedSecret('purged')
  await assert.rejects(client.getDeletedSecret('purged'), failsWith(404, 'SecretNotFound'))
  await client.setSecret('purged', 'two')
  const version = first.properties.version ?? ''
  await assert.rejects(client.getSecret('purged', { version }), failsWith(404, 'SecretNotFound'))
})

test('a vault with purge protection refuses to purge', async (t) => {
  const { client } = await vaultClient(t, { properties: { enablePurgeProtection: true, softDeleteRetentionInDays: 7 } })
  const { properties } = await client.setSecret('kept', 'one')
  assert.deepEqual([properties.recoveryLevel, properties.recoverableDays], ['CustomizedRecoverable', 7])
  await (await client.beginDeleteSecret('kept', { intervalInMs: 10 })).pollUntilDone()
  await assert.rejects(client.purgeDeletedSecret('kept'), failsWith(403, 'Forbidden', /purge protection/))
})

test('a deleted secret is purged when its retention has run out', async (t) => {
  let now = Date.now()
  const azure = await startLocalAzure(t, { clock: { now: () => now, elapsed: () => now, after: () => () => {} } })
  trustInThisProcess(azure)
  const vault = await azure.createVault('shop', { properties: { softDeleteRetentionInDays: 7 } })
  await azure.setSecret('shop', 'old', 'value')
  const call = async (method: 'GET' | 'DELETE', path: string) =>
    azure.send({
      method,
      url: new URL(`${path}?api-version=7.4`, vault.url),
      headers: { authorization: `Bearer ${await azure.token('https://vault.azure.net')}` },
    })
  await call('DELETE', '/secrets/old')
  now += 6 * 24 * 3600 * 1000
  assert.equal((await call('GET', '/deletedsecrets/old')).status, 200)
  now += 2 * 24 * 3600 * 1000
  assert.equal((await call('GET', '/deletedsecrets/old')).status, 404)
  await azure.setSecret('shop', 'old', 'again')
})

test('a backup restores all versions, once, and only unchanged', async (t) => {
  const { client, raw } = await vaultClient(t)
  await client.setSecret('saved', 'one')
  const second = await client.setSecret('saved', 'two')
  const backup = await client.backupSecret('saved')
  assert.ok(backup !== undefined)
  await assert.rejects(client.restoreSecretBackup(backup), failsWith(409, 'Conflict'))
  await (await client.beginDeleteSecret('saved', { intervalInMs: 10 })).pollUntilDone()
  await client.purgeDeletedSecret('saved')
  const restored = await client.restoreSecretBackup(backup)
  assert.equal(restored.version, second.properties.version)
  assert.equal((await client.getSecret('saved')).value, 'two')
  const damaged = await raw('POST', '/secrets/restore?api-version=7.4', { value: 'AAAA' })
  assert.deepEqual([damaged.status, damaged.body.error.code], [400, 'BadParameter'])
})

test("bad requests are refused with Key Vault's code and the reason", async (t) => {
  const { raw } = await vaultClient(t)
  const rows: [string, Parameters<typeof raw>, RegExp][] = [
    ['no api-version', ['GET', '/secrets/x'], /api-version/],
    ['an unknown api-version', ['GET', '/secrets/x?api-version=1.0'], /\(1\.0\) is not recognized/],
    ['an invalid name', ['PUT', '/secrets/my_secret?api-version=7.4', { value: 'x' }], /invalid name: my_secret/],
    ['no value', ['PUT', '/secrets/x?api-version=7.4', {}], /value/],
    ['a value that is not a text', ['PUT', '/secrets/x?api-version=7.4', { value: 1 }], /value/],
    ['a value that is too long', ['PUT', '/secrets/x?api-version=7.4', { value: 'x'.repeat(25_001) }], /25000 bytes/],
    ['too many tags', ['PUT', '/secrets/x?api-version=7.4', { value: 'x', tags: tooManyTags() }], /15 tags/],
    ['no body', ['PUT', '/secrets/x?api-version=7.4'], /JSON/],
    ['a page that is too large', ['GET', '/secrets?api-version=7.4&maxresults=26'], /maxresults/],
  ]
  for (const [what, request, text] of rows) {
    const { status, body } = await raw(...request)
    assert.deepEqual([status, body.error.code], [400, 'BadParameter'], what)
    assert.match(body.error.message, text, what)
  }
})

test('a refusal never repeats the value that it refuses', async (t) => {
  const { raw } = await vaultClient(t)
  const { body } = await raw('PUT', '/secrets/x?api-version=7.4', { value: { hidden: 'hunter2' } })
  assert.doesNotMatch(JSON.stringify(body), /hunter2/)
})

test('the newest client spells the name of api-version with a percent sign, older ones add slashes', async (t) => {
  const { azure, raw } = await vaultClient(t)
  await azure.setSecret('shop', 'x', 'value')
  assert.equal((await raw('GET', '/secrets/x/?api%2Dversion=2025-07-01')).body.value, 'value')
})

test('a request without a token is challenged before any other check', async (t) => {
  const { azure } = await vaultClient(t)
  for (const path of ['/secrets/no_such_name', '/nonsense', '/secrets/x?api-version=1.0']) {
    const { status, headers, body } = await azure.send({
      method: 'PUT',
      url: new URL(path, 'https://shop.vault.azure.net'),
    })
    assert.equal(status, 401)
    assert.equal(
      headers['www-authenticate'],
      `Bearer authorization="https://login.microsoftonline.com/${azure.administrator.tenantId}", resource="https://vault.azure.net"`,
    )
    assert.match(body.toString('utf8'), /AKV10000/)
  }
})

test('tokens for another audience, altered tokens and invalid texts are challenged again', async (t) => {
  const { azure } = await vaultClient(t)
  const foreign = await azure.token('https://management.azure.com')
  const good = await azure.token('https://vault.azure.net')
  for (const [token, text] of [
    [foreign, 'AKV10022'],
    [`${good.slice(0, -8)}AAAAAAAA`, 'AKV10032'],
    ['nonsense', 'AKV10001'],
  ] as const) {
    const { status, headers, body } = await azure.send({
      url: new URL('https://shop.vault.azure.net/secrets/x?api-version=7.4'),
      headers: { authorization: `Bearer ${token}` },
    })
    assert.equal(status, 401)
    assert.match(String(headers['www-authenticate']), /authorization=.*error="invalid_token"/)
    assert.match(body.toString('utf8'), new RegExp(text))
  }
})

test('a token is refused once it has expired, also when it was just accepted', async (t) => {
  let now = Date.now()
  const azure = await startLocalAzure(t, { clock: { now: () => now, elapsed: () => now, after: () => () => {} } })
  await azure.createVault('shop')
  await azure.setSecret('shop', 'x', 'value')
  const token = await azure.token('https://vault.azure.net')
  const read = () =>
    azure.send({
      url: new URL('https://shop.vault.azure.net/secrets/x?api-version=7.4'),
      headers: { authorization: `Bearer ${token}` },
    })
  now += 3_590_000
  assert.equal((await read()).status, 200)
  now += 20_000
  assert.equal((await read()).status, 401)
})

test('missing objects and operations that are not implemented are refused by name', async (t) => {
  const { client, raw } = await vaultClient(t)
  await assert.rejects(client.getSecret('none'), failsWith(404, 'SecretNotFound', /\(name\/id\) none was not found/))
  const { status, body } = await raw('POST', '/keys/x/1/release?api-version=7.4', {})
  assert.deepEqual([status, body.error.code], [501, 'NotImplemented'])
  assert.match(body.error.message, /POST \/keys\/x\/1\/release/)
})

test('an unknown vault is refused with that reason', async (t) => {
  const { azure } = await vaultClient(t)
  const { status, body } = await azure.send({ url: new URL('https://other.vault.azure.net/secrets/x?api-version=7.4') })
  assert.equal(status, 404)
  assert.match(body.toString('utf8'), /VaultNotFound.*There is no vault 'other'/)
})

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

function tooManyTags(): Record<string, string> {
  return Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`t${i}`, 'x']))
}
