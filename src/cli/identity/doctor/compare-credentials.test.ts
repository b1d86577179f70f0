import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { FederatedCredential } from '../federated-credential.ts'
import { matchesAction } from './check-vault.ts'
import { matchCredential } from './compare-credentials.ts'

const token = { issuer: 'https://issuer/cluster/', subject: 'system:serviceaccount:shop:orders' }

function credential(change: Partial<FederatedCredential> = {}): FederatedCredential {
  return { id: 'id', name: 'one', ...token, audiences: ['api://AzureADTokenExchange'], ...change }
}

const near: [name: string, change: Partial<FederatedCredential>, words: RegExp][] = [
  ['no slash at the end', { issuer: 'https://issuer/cluster' }, /the slash at its end is missing/],
  ['a slash too many', { issuer: 'https://issuer/cluster//' }, /there is a slash too many/],
  ['blanks', { subject: ` ${token.subject}` }, /there are blanks around it/],
  ['letters', { subject: 'system:serviceaccount:Shop:orders' }, /upper and lower case matter/],
  ['another audience', { audiences: ['api://mine'] }, /its audience is "api:\/\/mine"/],
]

for (const [name, change, words] of near) {
  test(`a federated credential that was meant: ${name}`, () => {
    const match = matchCredential(token, [credential({ name: 'other', subject: 'x', issuer: 'y' }), credential(change)])
    assert.ok(match.kind === 'near')
    assert.match(match.differences.join('; '), words)
  })
}

test('one of another service account, or of another cluster, is not meant', () => {
  for (const subject of ['system:serviceaccount:shop:carts', 'system:serviceaccount:default:orders']) {
    assert.deepEqual(matchCredential(token, [credential({ subject })]), { kind: 'none' })
  }
  assert.deepEqual(matchCredential(token, [credential({ issuer: 'https://other/' })]), { kind: 'none' })
  assert.deepEqual(matchCredential(token, []), { kind: 'none' })
})

test('the one that differs least is taken', () => {
  const match = matchCredential(token, [
    credential({ name: 'far', issuer: 'https://issuer/cluster', audiences: ['x'] }),
    credential({ name: 'close', issuer: 'https://issuer/cluster' }),
  ])
  assert.ok(match.kind === 'near' && match.credential.name === 'close')
})

test('exactly equal is a match, and nothing else is', () => {
  const text = fc.string({ maxLength: 12 })
  fc.assert(
    fc.property(text, text, (issuer, subject) => {
      const { kind } = matchCredential(token, [credential({ issuer, subject })])
      return (kind === 'match') === (issuer === token.issuer && subject === token.subject)
    }),
  )
  assert.equal(matchCredential(token, [credential({ name: 'x', issuer: 'y' }), credential()]).kind, 'match')
})

test('wildcards of roles stand for anything', () => {
  const action = 'Microsoft.KeyVault/vaults/secrets/getSecret/action'
  assert.ok(matchesAction(action.toLowerCase(), action))
  assert.ok(matchesAction('Microsoft.KeyVault/vaults/*', action))
  assert.ok(matchesAction('*', action))
  assert.ok(!matchesAction('Microsoft.KeyVault/vaults/keys/*', action))
  assert.ok(!matchesAction('Microsoft.KeyVault/vaults/secrets/getSecret', action))
})
