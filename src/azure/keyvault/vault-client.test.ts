import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Clock, SecretValue, systemClock } from '#lib'
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
function clientWith(reply: (request: HttpRequest, count: number) => HttpResponse, clock?: Clock) {
  const asked: string[] = []
  const refused: string[] = []
  const resources: string[] = []
  let tokens = 0
  const auth: VaultAuth = {
    resource: 'https://vault.azure.net',
    token: async (resource) => {
      resources.push(resource)
      return SecretValue.of(`token-${++tokens}`)
    },
    refused: (token) => refused.push(token.revealText()),
  }
  const client = createVaultClient({
    async send(request) {
      asked.push(`${request.url.pathname}${request.url.search} ${request.headers?.authorization ?? ''}`)
      return reply(request, asked.length)
    },
    clock,
  })
  return { client, auth, asked, refused, resources }
}

async function failure(call: Promise<unknown>): Promise<VaultError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof VaultError, String(error))
  return error
}

test('getSecret() asks once, with the token and the REST version of upstream', async () => {
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

test('listDetails() gives tags and states of all pages, and what each page takes; a list without end or of great size ends', async () => {
  const origin = 'https://shop.vault.azure.net'
  const item = (name: string, more: object) => ({ id: `${origin}/secrets/${name}`, attributes: {}, ...more })
  const { client, auth } = clientWith((_, count) =>
    count === 1
      ? answer(200, {
          value: [item('a', { tags: { app: 'x', odd: 1 }, attributes: { enabled: false } }), { attributes: {} }],
          nextLink: `${origin}/secrets?$skiptoken=x`,
        })
      : answer(200, { value: [item('b', { managed: true })], nextLink: null }),
  )
  const bytes: number[] = []
  const listed = await client.listDetails(vault, 'secrets', auth, (added) => bytes.push(added))
  assert.deepEqual(
    listed.map(({ name, tags, managed, attributes }) => [name, [...tags], managed, attributes.enabled]),
    [
      ['a', [['app', 'x']], false, false],
      ['b', [], true, undefined],
    ],
  )
  assert.deepEqual(bytes, [155, 101])
  const nextLink = `${origin}/secrets?$skiptoken=x`
  const tags = Object.fromEntries(Array.from({ length: 15 }, (_, index) => [`key${index}`, 'v'.repeat(256)]))
  const value = Array.from({ length: 25 }, (_, index) => item(`n${index}`, { tags }))
  for (const [page, words] of [
    [{ value: [], nextLink }, /pages of a list of objects, of 25 objects each, for a select: found 401/],
    [{ value, nextLink }, /names and tags of a list of objects for a select: found .* at most 2 MiB/],
  ] as const) {
    const endless = clientWith(() => answer(200, page))
    const error = await failure(endless.client.listDetails(vault, 'secrets', endless.auth))
    assert.equal(error.code, 'vault-answer-invalid')
    assert.match(error.message, words)
  }
  const refused = clientWith(() =>
    answer(403, { error: { code: 'Forbidden', innererror: { code: 'ForbiddenByRbac' } } }),
  )
  const { message } = await failure(refused.client.listDetails(vault, 'keys', refused.auth))
  assert.match(
    message,
    /does not let this identity list keys; grant the role "Key Vault Crypto User".*permission "list" on keys/,
  )
})

test('listObjects() gives names, times and states of all pages', async () => {
  const url = 'https://shop.vault.azure.net/keys'
  const { client, auth, asked } = clientWith((_, count) =>
    count === 1
      ? answer(200, {
          value: [{ kid: `${url}/a`, attributes: { enabled: false, updated: 5 } }, { kid: `${url}/b` }],
          nextLink: `${url}?$skiptoken=x`,
        })
      : answer(200, { value: [{ kid: `${url}/c`, attributes: {} }], nextLink: null }),
  )
  assert.deepEqual(await client.listObjects(vault, 'keys', auth), [
    { name: 'a', enabled: false, updated: 5 },
    { name: 'c', enabled: true, updated: 0 },
  ])
  assert.equal(asked.length, 2)
})

test('listVersions() ends for a list without end, by pages and by time', async () => {
  const nextLink = 'https://shop.vault.azure.net/secrets/db/versions?$skiptoken=x'
  const endless = clientWith(() => answer(200, { value: [], nextLink }))
  const error = await failure(endless.client.listVersions(vault, 'secrets', 'db', endless.auth))
  assert.equal(error.code, 'vault-answer-invalid')
  assert.match(error.message, /pages of a list of versions: found 101, at most 100 are accepted/)
  assert.equal(endless.asked.length, 100)

  let elapsed = 0
  const slow = clientWith(
    () => {
      elapsed += 25_000
      return answer(200, { value: [], nextLink })
    },
    { ...systemClock, elapsed: () => elapsed },
  )
  assert.match(
    (await failure(slow.client.listVersions(vault, 'secrets', 'db', slow.auth))).message,
    /no end within 60 s/,
  )
  assert.equal(slow.asked.length, 3)
})

const unknownVersion = (version: string, newest?: string) => ({
  error: {
    code: 'BadParameter',
    message: `The specified version (${version}) is not recognized.${newest === undefined ? '' : ` Consider using the latest supported version (${newest}).`}`,
  },
})

test('a vault that does not know the REST version is asked in the one that it names, and from then on at once', async () => {
  for (const newest of ['7.1', '7.0', '2016-10-01', undefined]) {
    const { client, auth, asked } = clientWith(({ url }) => {
      const version = url.searchParams.get('api-version') ?? ''
      return version === (newest ?? '2016-10-01')
        ? answer(200, { value: 'x', id })
        : answer(400, unknownVersion(version, newest))
    })
    for (let i = 0; i < 2; i++) assert.equal((await client.getSecret(vault, 'db', '', auth)).value.revealText(), 'x')
    assert.deepEqual(
      asked.map((line) => /api-version=(\S+)/.exec(line)?.[1]),
      ['7.4', newest ?? '2016-10-01', newest ?? '2016-10-01'],
    )
  }
  const { client, auth, asked } = clientWith(() => answer(400, unknownVersion('7.4', '7.9')))
  assert.equal((await failure(client.getSecret(vault, 'db', '', auth))).code, 'vault-bad-request')
  assert.equal(asked.length, 2)
})

const challengeFor = (resource: string) => ({
  'www-authenticate': `Bearer authorization="https://login.stack.example/t", resource="${resource}"`,
})

test('a vault that wants a token for its own domain gets one, and from then on at once', async () => {
  const stack = vaultAddress('shop', 'vault.region1.stack.example')
  const wanted = 'https://vault.region1.stack.example'
  const { client, auth, resources } = clientWith((request) =>
    request.headers?.authorization === 'Bearer token-1'
      ? answer(401, {}, challengeFor(wanted))
      : answer(200, { value: 'x', id }),
  )
  const own = { ...auth, resource: 'https://vault.stack.example' }
  for (let i = 0; i < 2; i++) await client.getSecret(stack, 'db', '', own)
  assert.deepEqual(resources, ['https://vault.stack.example', wanted, wanted])
})

test('a vault that accepts no token is an error that names both audiences', async () => {
  const stack = vaultAddress('shop', 'vault.region1.stack.example')
  const wanted = 'https://vault.contoso.example/0f0f'
  const { client, auth } = clientWith(() => answer(401, {}, challengeFor(wanted)))
  const error = await failure(client.getSecret(stack, 'db', '', { ...auth, resource: 'https://vault.contoso.example' }))
  assert.equal(error.code, 'vault-unauthorized')
  assert.match(error.message, /token, which is for https:\/\/vault.contoso.example\/0f0f; does the vault belong/)
})

test('answers that are not what they should be are errors that quote nothing', async () => {
  for (const [body, words] of [
    ['planted', /did not answer with a JSON object/],
    ['"planted"', /did not answer with a JSON object/],
    [{ id }, /secret value is nil/],
    [{ value: 'planted' }, /secret id is nil/],
    [{ value: 4, id }, /secret value is nil/],
    [{ value: 'planted', id: 4 }, /secret id is nil/],
    [['planted'], /did not answer with a JSON object/],
  ] as const) {
    const { client, auth } = clientWith(() => answer(200, body))
    const error = await failure(client.getSecret(vault, 'db', '', auth))
    assert.equal(error.code, 'vault-answer-invalid')
    assert.match(error.message, words)
    assert.doesNotMatch(error.message, /planted/)
  }
})

test('refusals of a vault have a code each', async () => {
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
    [404, error('VaultNotFound'), 'vault-missing', false],
    [408, error('RequestTimeout'), 'vault-timeout', true],
    [418, error('Teapot'), 'vault-answer-invalid', false],
    [429, error('Throttled'), 'vault-throttled', true],
    [501, error('NotImplemented'), 'vault-error', false],
    [503, 'no JSON at all', 'vault-error', true],
  ]
  for (const [status, body, code, retryable] of rows) {
    const { client, auth } = clientWith(() => answer(status, body))
    const found = await failure(client.getSecret(vault, 'db', '', auth))
    assert.deepEqual([found.code, found.retryable], [code, retryable], `${status} ${JSON.stringify(body)}`)
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

test('failures on the way to a vault have a code each', async () => {
  for (const [kind, code] of [
    ['dns', 'vault-name-not-resolved'],
    ['refused', 'vault-connection-refused'],
    ['tls', 'vault-tls-failed'],
    ['proxy', 'vault-proxy-refused'],
    ['proxy-failed', 'vault-proxy-failed'],
    ['timeout', 'vault-timeout'],
    ['connection', 'vault-connection-failed'],
    ['throttled', 'vault-throttled'],
    ['too-large', 'vault-answer-invalid'],
  ] as const) {
    const { client, auth } = clientWith(() => {
      throw new HttpFault(kind, 'shop.vault.azure.net', 'why')
    })
    const error = await failure(client.getSecret(vault, 'db', '', auth))
    assert.deepEqual([error.code, error.retryable], [code, true])
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

test('odd shapes of every kind of answer are errors with a code', async () => {
  const odd = fc.oneof(fc.constantFrom(null, [], {}, 'x', 4, [4], [null]), fc.jsonValue())
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(fc.constantFrom('value', 'id', 'kid', 'key', 'cer', 'attributes', 'nextLink'), odd),
      async (body) => {
        const { client, auth } = clientWith(() => answer(200, body))
        const calls = [
          client.getSecret(vault, 'a', '', auth),
          client.getKey(vault, 'a', '', auth),
          client.getCertificate(vault, 'a', '', auth),
          client.listVersions(vault, 'keys', 'a', auth),
        ]
        for (const { status, reason } of (await Promise.allSettled(calls)) as { status: string; reason?: unknown }[])
          assert.ok(status === 'fulfilled' || reason instanceof VaultError, String(reason))
      },
    ),
  )
})

test('a 403 passes on the vault’s own words, and advises what helps', async () => {
  const rows: [inner: string, message: string, code: string, ...words: RegExp[]][] = [
    [
      'ForbiddenByFirewall',
      'Client address is not authorized and caller is not a trusted service.\r\nClient address: 203.0.113.7\r\nCaller: appid=1;oid=2\r\nVault: shop;location=westeurope',
      'vault-firewall',
      /Client address: 203.0.113.7/,
      /allow its address/,
    ],
    [
      'ForbiddenByConnection',
      'Public network access is disabled and request is not from a trusted service nor via an approved private link.\r\nCaller: appid=1',
      'vault-firewall',
      /Public network access is disabled/,
      /private endpoint and its DNS zone/,
    ],
    [
      'ForbiddenByRbac',
      "Caller is not authorized to perform action on resource.\r\nAssignment: (not found)\r\nDenyAssignmentId: '/subscriptions/0/d1'\r\nDecisionReason: 'DeniedByDenyAssignment'",
      'vault-forbidden',
      /a deny assignment forbids it/,
      /DecisionReason: 'DeniedByDenyAssignment'/,
    ],
    [
      'ForbiddenByRbac',
      'Caller is not authorized to perform action on resource.\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null',
      'vault-forbidden',
      /grant the role "Key Vault Secrets User"/,
    ],
    ['ForbiddenByPolicy', 'The operation is not allowed by policy.', 'vault-forbidden', /not allowed by policy/],
    ['', 'does not have secrets get permission on key vault.', 'vault-forbidden', /secrets get permission/],
  ]
  for (const [inner, message, code, ...words] of rows) {
    const { client, auth } = clientWith(() =>
      answer(403, { error: { code: 'Forbidden', message, innererror: { code: inner } } }),
    )
    const error = await failure(client.getSecret(vault, 'db', '', auth))
    assert.equal(error.code, code)
    for (const word of words) assert.match(error.message, word)
    assert.doesNotMatch(error.message, /Caller: appid|location=|\n/)
  }
})

test('a certificate that has not been issued yet is an error of its own, for the certificate and for its key and secret', async () => {
  const waiting = { id, pending: { id: 'x' }, attributes: { enabled: false } }
  const { client, auth } = clientWith(({ url }) => {
    if (url.pathname === '/certificates/tls/') return answer(200, waiting)
    if (url.pathname === '/certificates/tls/pending') return answer(200, { status: 'inProgress' })
    return answer(404, { error: { code: 'SecretNotFound' } })
  })
  for (const call of [
    client.getCertificate(vault, 'tls', '', auth),
    client.getSecret(vault, 'tls', '', auth),
    client.getKey(vault, 'tls', '', auth),
  ]) {
    assert.equal((await failure(call)).code, 'vault-certificate-pending')
  }
  assert.equal((await failure(client.getSecret(vault, 'other', '', auth))).code, 'vault-object-missing')
})

test('an object without the version that is asked for is reported with the field of its version', async () => {
  const { client, auth } = clientWith(() => answer(404, { error: { code: 'SecretNotFound' } }))
  const version = '0123456789abcdef0123456789abcdef'
  assert.match((await failure(client.getSecret(vault, 'a', version, auth))).message, /check objectVersion \(empty for/)
  assert.match((await failure(client.getSecret(vault, 'a', '', auth))).message, /check objectName and objectType/)
})
