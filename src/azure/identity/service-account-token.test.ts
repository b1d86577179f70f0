import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseServiceAccountTokens, readTokenClaims, tokenExchangeAudience } from './service-account-token.ts'

test('parseServiceAccountTokens() takes the token of the audience, as Go would decode it', () => {
  for (const json of [
    '{"api://AzureADTokenExchange":{"token":"abc","expirationTimestamp":"2030-01-01T00:00:00Z"},"other":{"token":"x"}}',
    '{"api://AzureADTokenExchange":{"Token":"abc"}}',
    ' {"api://AzureADTokenExchange":{"TOKEN":"abc","extra":1},"null":null} ',
  ]) {
    assert.equal(parseServiceAccountTokens(json, [tokenExchangeAudience]).token.revealText(), 'abc')
  }
})

test('parseServiceAccountTokens() refuses anything else in the words of upstream, and quotes nothing', () => {
  for (const [json, words] of [
    ['', /^service account tokens not found$/],
    ['planted', /^failed to unmarshal service account tokens, error: /],
    ['["planted"]', /^failed to unmarshal service account tokens, error: /],
    [
      '{"api://AzureADTokenExchange":"planted"}',
      /^failed to unmarshal service account tokens, error: api:\/\/AzureADTokenExchange: token is not a string/,
    ],
    ['{"api://AzureADTokenExchange":{"token":1}}', /token is not a string/],
    ['{"api://AzureADTokenExchange":{"token":""}}', /^token for audience api:\/\/AzureADTokenExchange not found/],
    ['{"a":{"token":"planted"},"b":{"token":"planted"}}', /not found \(found: a, b;/],
    ['{}', /\(found: none;/],
  ] as const) {
    assert.throws(
      () => parseServiceAccountTokens(json, [tokenExchangeAudience]),
      (error: Error) => words.test(error.message) && !error.message.includes('planted'),
    )
  }
})

test('readTokenClaims() gives no claims for text that is not a JWT', () => {
  const nothing = { issuer: '', subject: '', audiences: [], expiresAt: undefined, accountUid: undefined }
  for (const token of [
    '',
    'a',
    'a.b',
    '..',
    `x.${Buffer.from('null').toString('base64url')}.y`,
    `x.${Buffer.from('[1]').toString('base64url')}.y`,
  ]) {
    assert.deepEqual(readTokenClaims(token), nothing)
  }
  fc.assert(fc.property(fc.string(), (token) => assert.ok(readTokenClaims(token))))
})
