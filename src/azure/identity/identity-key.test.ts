import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SecretValue } from '#lib'
import { createIdentityKeys } from './identity-key.ts'
import type { TokenClaims } from './service-account-token.ts'
import type { Credential } from './ways/index.ts'

const common = { tenantId: 'tenant', clientId: 'client' }

function workload(token: string, claims: Partial<TokenClaims> = {}): Credential {
  const all = { issuer: 'https://a', subject: 'system:serviceaccount:ns:a', audiences: ['x'], expiresAt: 0, ...claims }
  return { kind: 'workload', ...common, assertion: { token: SecretValue.of(token), claims: all } }
}

function principal(secret: string): Credential {
  return { kind: 'service-principal', ...common, proof: { kind: 'secret', secret: SecretValue.of(secret) } }
}

const pod = (podNamespace: string, podName: string): Credential => ({
  kind: 'pod-identity',
  tenantId: 'tenant',
  podNamespace,
  podName,
})

test('identities that are not the same never have the same key', async () => {
  const keyOf = createIdentityKeys({ verify: async () => true })
  const all: Credential[] = [
    workload('1'),
    workload('1', { issuer: 'https://b' }),
    workload('1', { subject: 'system:serviceaccount:ns:b' }),
    workload('1', { audiences: ['y'] }),
    workload('1', { accountUid: 'created again' }),
    { ...workload('1'), tenantId: 'other' },
    { ...(workload('1') as Extract<Credential, { kind: 'workload' }>), clientId: 'other' },
    { ...(workload('1') as Extract<Credential, { kind: 'workload' }>), kind: 'identity-binding' },
    principal('one'),
    principal('two'),
    { kind: 'managed', tenantId: 'tenant', clientId: undefined },
    { kind: 'managed', tenantId: 'tenant', clientId: 'client' },
    pod('ns', 'a'),
    pod('ns', 'b'),
    pod('other', 'a'),
  ]
  const keys = (await Promise.all(all.map(keyOf))).map(({ key }) => key)
  assert.equal(new Set(keys).size, all.length)
  assert.ok(
    keys.every((key) => !/one|two/.test(key)),
    'no key contains a proof',
  )
})

test('tokens of one service account share a key when the cluster vouches for them, and only then', async () => {
  const vouched = createIdentityKeys({ verify: async () => true })
  assert.deepEqual(await vouched(workload('1')), await vouched(workload('2')))
  const unknown = createIdentityKeys()
  assert.notDeepEqual(await unknown(workload('1')), await unknown(workload('2')))
  assert.deepEqual(await unknown(workload('1')), await unknown(workload('1')))
})

test('only what was verified, or is the secret itself, proves an identity while Entra does not answer', async () => {
  const proofs = async (verified: boolean) => {
    const keys = createIdentityKeys({ verify: async () => verified })
    const all: Credential[] = [
      workload('1'),
      principal('one'),
      pod('ns', 'a'),
      { kind: 'managed', tenantId: '', clientId: undefined },
    ]
    return Promise.all(all.map(async (credential) => (await keys(credential)).proof))
  }
  assert.deepEqual(await proofs(true), ['own', 'own', 'sign-in', 'sign-in'])
  assert.deepEqual(await proofs(false), ['none', 'own', 'sign-in', 'sign-in'])
})
