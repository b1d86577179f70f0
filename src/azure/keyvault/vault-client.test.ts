import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SecretValue } from '#lib'
import { HttpFault, type HttpRequest, type HttpResponse } from '#lib/http'
import { vaultAddress } from './vault-address.ts'
import { createVaultClient, type VaultAuth } from './vault-client.ts'
import { VaultError } from './vault-error.ts'

const vault = vaultAddress('shop', 'vault.azure.net')
const id = 'https://shop.vault.azure.net/secrets/db/0123456789abcdef0123456789abcdef'

function answer(status: number, body: unknown, headers: HttpResponse['headers'] = {}): HttpResponse {
  return { status, headers, body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)) }
}

/** A client whose vault answers by `reply`, and what was asked of it. */
function clientWith(reply: (request: HttpRequest, count: number) => HttpResponse) {
  const asked: string[] = []
  const refused: string[] = []
  let tokens = 0
  const auth: VaultAuth = {
    resource: 'https://vault.azure.net',
    token: async () => SecretValue.of(`token-${++tokens}`),
    refused: (token) => refused.push(token.revealText()),
  }
  const client = createVaultClient({
    async send(request) {
      asked.push(`${request.url.pathname}${request.url.search} ${request.headers?.['authorization'] ?? ''}`)
      return reply(request, asked.length)
    },
  })
  return { client, auth, asked, refused }
}

async function failure(call: Promise<unknown>): Promise<VaultError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof VaultError, String(error))
  return error
}

test('getSecret() asks once, with the token and the version of the field', async () => {
  const { client, auth, asked } = clientWith(() => answer(200, { value: 'x', id }))
  const { value, version, ofCertificate } = await client.getSecret(vault, 'db', '', auth)
  assert.deepEqual([value.revealText(), version, ofCertificate], ['x', '0123456789abcdef0123456789abcdef', false])
  assert.deepEqual(asked, ['/secrets/db/?api-version=7.4 Bearer token-1'])
})

test('a token that the vault does not accept any more is replaced once', async () => {
  const { client, auth, asked, refused } = clientWith((_, count) =>
    count === 1 ? answer(401, {}) : answer(200, { value: 'x', id }),
  )
  await client.getSecret(vault, 'db', '', auth)
  assert.deepEqual(refused, ['token-1'])
  assert.match(asked[1] ?? '', /token-2$/)
  const stubborn = clientWith(() => answer(401, {}))
  assert.equal((await failure(stubborn.client.getSecret(vault, 'db', '', stubborn.auth))).code, 'vault-unauthorized')
  assert.equal(stubborn.asked.length, 2)
})

test('a challenge for another resource is refused, and no second token is asked for', async () => {
  for (const resource of [
    'https://evil.example',
    'https://azure.net.evil.example',
    'https://hop.vault.azure.net',
    'https://management.azure.com/',
  ]) {
    const challenge = {
      'www-authenticate': `Bearer authorization="https://login.microsoftonline.com/t", resource="${resource}"`,
    }
    const { client, auth, asked } = clientWith(() => answer(401, {}, challenge))
    const error = await failure(client.getSecret(vault, 'db', '', auth))
    assert.equal(error.code, 'vault-challenge-refused')
    assert.match(error.message, /doesn't match the requested domain shop.vault.azure.net/)
    assert.equal(asked.length, 1)
  }
})

test('listVersions() follows pages of the same vault and no others', async () => {
  const item = (version: string, attributes?: object) => ({
    id: `https://shop.vault.azure.net/secrets/db/${version}`,
    attributes,
  })
  const { client, auth } = clientWith((_, count) =>
    count === 1
      ? answer(200, {
          value: [item('a', { created: 2 }), item('b')],
          nextLink: 'https://shop.vault.azure.net:443/secrets/db/versions?api-version=7.4&$skiptoken=x',
        })
      : answer(200, { value: [item('c', { enabled: false })], nextLink: null }),
  )
  assert.deepEqual(await client.listVersions(vault, 'secrets', 'db', auth), [
    { version: 'a', enabled: true, created: 2 },
    { version: 'c', enabled: false, created: 0 },
  ])
  for (const nextLink of [
    'https://evil.example/x',
    'http://shop.vault.azure.net/x',
    '/secrets/db/versions',
    'https://shop.vault.azure.net.evil/x',
  ]) {
    const evil = clientWith(() => answer(200, { value: [], nextLink }))
    assert.equal(
      (await failure(evil.client.listVersions(vault, 'secrets', 'db', evil.auth))).code,
      'vault-answer-invalid',
    )
    assert.equal(evil.asked.length, 1)
  }
})

test('answers that are not what they should be are errors that quote nothing', async () => {
  for (const [body, words] of [
    ['planted', /did not answer with a JSON object/],
    ['"planted"', /did not answer with a JSON object/],
    [{ id }, /secret value is nil/],
    [{ value: 'planted' }, /secret id is nil/],
  ] as const) {
    const { client, auth } = clientWith(() => answer(200, body))
    const error = await failure(client.getSecret(vault, 'db', '', auth))
    assert.equal(error.code, 'vault-answer-invalid')
    assert.match(error.message, words)
    assert.doesNotMatch(error.message, /planted/)
  }
})

test('what a vault refuses is told apart', async () => {
  const error = (code: string, inner?: string) => ({
    error: { code, message: 'why', ...(inner === undefined ? {} : { innererror: { code: inner } }) },
  })
  const rows: [number, unknown, string, boolean][] = [
    [400, error('BadParameter'), 'vault-bad-request', false],
    [403, error('Forbidden', 'AccessDenied'), 'vault-forbidden', false],
    [403, error('Forbidden', 'ForbiddenByRbac'), 'vault-forbidden', false],
    [403, error('Forbidden', 'ForbiddenByFirewall'), 'vault-firewall', false],
    [403, error('Forbidden', 'SecretDisabled'), 'vault-object-disabled', false],
    [403, error('Forbidden', 'SecretExpired'), 'vault-object-expired', false],
    [404, error('SecretNotFound'), 'vault-object-missing', false],
    [404, error('VaultNotFound'), 'vault-name-not-resolved', false],
    [429, error('Throttled'), 'vault-throttled', true],
    [501, error('NotImplemented'), 'vault-error', false],
    [503, 'no JSON at all', 'vault-error', true],
  ]
  for (const [status, body, code, passing] of rows) {
    const { client, auth } = clientWith(() => answer(status, body))
    const found = await failure(client.getSecret(vault, 'db', '', auth))
    assert.deepEqual([found.code, found.passing], [code, passing], `${status} ${JSON.stringify(body)}`)
  }
})

test('an object that was deleted is not the same as one that never was', async () => {
  const { client, auth, asked } = clientWith(({ url }) =>
    url.pathname === '/deletedkeys/db'
      ? answer(200, { recoveryId: 'x' })
      : answer(404, { error: { code: 'KeyNotFound' } }),
  )
  const error = await failure(client.getKey(vault, 'db', '', auth))
  assert.equal(error.code, 'vault-object-deleted')
  assert.match(error.message, /az keyvault key recover --vault-name shop --name db/)
  assert.equal(asked.length, 2)
})

test('what keeps us from a vault is told apart', async () => {
  for (const [kind, code] of [
    ['dns', 'vault-name-not-resolved'],
    ['refused', 'vault-connection-refused'],
    ['tls', 'vault-tls-failed'],
    ['proxy', 'vault-proxy-refused'],
    ['timeout', 'vault-timeout'],
    ['connection', 'vault-connection-failed'],
    ['throttled', 'vault-throttled'],
    ['too-large', 'vault-connection-failed'],
  ] as const) {
    const { client, auth } = clientWith(() => {
      throw new HttpFault(kind, 'shop.vault.azure.net', 'why')
    })
    const error = await failure(client.getSecret(vault, 'db', '', auth))
    assert.deepEqual([error.code, error.passing], [code, true])
    assert.match(error.message, /vault "shop" \(https:\/\/shop.vault.azure.net\)/)
  }
})

test('vaultAddress() only gives hosts under the suffix', () => {
  for (const name of ['ab', 'a'.repeat(25)])
    assert.throws(() => vaultAddress(name, 'vault.azure.net'), /must be between 3 and 24 chars/)
  for (const name of ['evil.example/', 'a.b', 'kv_test', 'käse', 'a@b', 'a:1', 'abc#', 'a b c', 'abc\n']) {
    assert.throws(() => vaultAddress(name, 'vault.azure.net'), /Invalid vault name/)
  }
  assert.equal(vaultAddress('testKV', 'vault.azure.cn').origin, 'https://testKV.vault.azure.cn')
})
