import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ImdsRefusal } from '#product/imds'
import { textOf, wordOf } from '../../../test/support/text-of.ts'
import { routeOf } from './route.ts'
import { audienceOf, parseTokenRequest } from './token-request.ts'

const rules = { defaultClientId: 'default-client', requireMetadataHeader: true }

function parse(query: string, changes: { method?: string; headers?: Record<string, string>; clientId?: string } = {}) {
  const { method = 'GET', headers = { metadata: 'true' }, clientId = rules.defaultClientId } = changes
  return parseTokenRequest(
    { method, headers, query: new URLSearchParams(query) },
    { ...rules, defaultClientId: clientId },
  )
}

describe('parseTokenRequest() reads the query', () => {
  test('a client id', () => assert.deepEqual(parse('resource=r&client_id=c'), { clientId: 'c', resource: 'r' }))
  test('no client id: that of the service account', () =>
    assert.deepEqual(parse('resource=r'), { clientId: 'default-client', resource: 'r' }))
  test('other names of an identity: they mean nothing here', () =>
    assert.deepEqual(parse('resource=r&object_id=o&msi_res_id=m&api-version=1'), {
      clientId: 'default-client',
      resource: 'r',
    }))
  test('the header in any case', () =>
    assert.equal(parse('resource=r', { headers: { metadata: 'True' } }).resource, 'r'))
})

describe('parseTokenRequest() refuses', () => {
  const rows: [what: string, query: string, changes: Parameters<typeof parse>[1], status: number, message: string][] = [
    ['no resource', '', {}, 400, 'The resource parameter is required.'],
    ['an empty resource', 'resource=', {}, 400, 'The resource parameter is required.'],
    [
      'no client id anywhere',
      'resource=r',
      { clientId: '' },
      400,
      'The client_id parameter or AZURE_CLIENT_ID environment variable must be set',
    ],
    ['a missing header', 'resource=r', { headers: {} }, 400, 'Required metadata header not specified'],
    ['a false header', 'resource=r', { headers: { metadata: 'false' } }, 400, 'Required metadata header not specified'],
    [
      'what passed a proxy',
      'resource=r',
      { headers: { metadata: 'true', 'x-forwarded-for': '10.0.0.1' } },
      400,
      'Requests with the header X-Forwarded-For are not answered',
    ],
    ['another method', 'resource=r', { method: 'POST' }, 405, 'Found POST, expected GET'],
    [
      'a resource that is not a URI',
      'resource=a%0ab',
      {},
      400,
      'resource: expected a URI such as https://vault.azure.net',
    ],
    [
      'a client id of other characters',
      'resource=r&client_id=%20',
      {},
      400,
      'client_id: expected the client id of an identity',
    ],
  ]
  for (const [what, query, changes, status, message] of rows) {
    test(what, () =>
      assert.throws(
        () => parse(query, changes),
        (error) => error instanceof ImdsRefusal && error.status === status && error.message === message,
      ),
    )
  }
})

test('audienceOf() keeps a slash at the end and takes no scope for a resource', () => {
  assert.equal(audienceOf('https://vault.azure.net'), 'https://vault.azure.net')
  assert.equal(audienceOf('https://vault.azure.net/'), 'https://vault.azure.net/')
  assert.equal(audienceOf('https://vault.azure.net/.default'), 'https://vault.azure.net')
})

test('any request is routed and read, or refused in the form of IMDS', () => {
  const target = fc.oneof(
    fc.string(),
    textOf(wordOf('/ metadata identity oauth2 token readyz ? & = % %2e .. //x')),
    fc.webUrl(),
  )
  const headers = fc.dictionary(fc.constantFrom('metadata', 'x-forwarded-for', 'host'), fc.string())
  fc.assert(
    fc.property(target, fc.constantFrom('GET', 'POST', 'x'), headers, (text, method, sent) => {
      try {
        const route = routeOf(text)
        if (route.kind === 'other') assert.match(route.target, /^\//)
        if (route.kind !== 'token') return
        const { clientId, resource } = parseTokenRequest({ method, headers: sent, query: route.query }, rules)
        assert.match(`${clientId}${resource}`, /^[\x21-\x7e]+$/)
        assert.match(sent.metadata ?? '', /^true$/i)
      } catch (error) {
        assert.ok(error instanceof ImdsRefusal, String(error))
      }
    }),
  )
})

test('what an SDK writes into the query is what is read', () => {
  const word = fc.string({ unit: fc.constantFrom(...'abcXYZ019-._~:/?#[]@!$&()*+,;=%'), minLength: 1 })
  fc.assert(
    fc.property(word, word, (clientId, resource) => {
      const route = routeOf(`/metadata/identity/oauth2/token?${new URLSearchParams({ resource, client_id: clientId })}`)
      assert.ok(route.kind === 'token')
      const read = parseTokenRequest({ method: 'GET', headers: { metadata: 'true' }, query: route.query }, rules)
      assert.deepEqual(read, { clientId, resource })
    }),
  )
})
