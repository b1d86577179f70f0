import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Credential, IdentityError, type TokenSource } from '#azure/identity'
import type { AzureIdentity, KubeClient } from '#kubernetes/client'
import { SecretValue } from '#lib'
import { createIdentityTokens } from './identity-tokens.ts'
import { createNmiMetrics } from './nmi-metrics.ts'
import { RequestError } from './request-error.ts'

const identity = (name: string, spec: AzureIdentity['spec']): AzureIdentity => ({
  apiVersion: 'aadpodidentity.k8s.io/v1',
  kind: 'AzureIdentity',
  metadata: { namespace: 'default', name },
  spec,
})

/** Remembers under which key a token was asked for, and as whom. */
function tokensWith({ failure, version = '1' }: { failure?: unknown; version?: string } = {}) {
  const asked: { key: string; credential: Credential; authority: string }[] = []
  const source: TokenSource = {
    async get(key, credential, { cloud }) {
      asked.push({ key, credential, authority: cloud.authority })
      if (failure !== undefined) throw failure
      return { token: SecretValue.of('token'), expiresAt: 0 }
    },
    forget: () => undefined,
  }
  const kube = {
    get: async (_: unknown, { name }: { name: string }) => ({
      metadata: { namespace: 'default', name, uid: 'uid', resourceVersion: version },
      data: { clientSecret: Buffer.from('secret').toString('base64') },
    }),
  } as unknown as KubeClient
  const metrics = createNmiMetrics()
  return { asked, metrics, tokensOf: createIdentityTokens({ source, kube, metrics }) }
}

const principal = { type: 1, clientID: 'c', tenantID: 't', clientPassword: { namespace: 'default', name: 's' } }

test('auth errors: what Entra or IMDS refuses is 403, what cannot be asked is 503', async () => {
  const rows: [unknown, number][] = [
    [new IdentityError('managed-identity-not-assigned', 'Identity not found'), 403],
    [new IdentityError('entra-client-secret-wrong', 'AADSTS7000215'), 403],
    [new IdentityError('managed-identity-unreachable', 'refused the connection', { retryable: true }), 503],
    [new IdentityError('entra-throttled', 'HTTP 429', { retryable: true }), 503],
    [new Error('something else'), 503],
  ]
  for (const [failure, expected] of rows) {
    const { tokensOf, metrics } = tokensWith({ failure })
    await assert.rejects(
      tokensOf(identity('a', { type: 0, clientID: 'c' }), 'r'),
      (error: unknown) =>
        error instanceof RequestError &&
        error.status === expected &&
        error.message.startsWith('failed to get service principal token, error: '),
    )
    assert.match(metrics.text(), /imds_operations_errors_count\{operation_type="adal_token_msi_userassignedid"\} 1/)
  }
})

test('an unsupported type is 503', async () => {
  const { tokensOf, asked } = tokensWith()
  await assert.rejects(
    tokensOf(identity('a', { type: 9, clientID: 'c' }), 'r'),
    (error: unknown) => error instanceof RequestError && error.status === 503,
  )
  assert.deepEqual(asked, [])
})

test('tokens are shared by those who would get the same anyway, and by nobody else', async () => {
  const keys = async (spec: AzureIdentity['spec'], version?: string) => {
    const { tokensOf, asked } = tokensWith(version === undefined ? {} : { version })
    await tokensOf(identity('a', spec), 'r')
    return asked.map(({ key }) => key).join()
  }
  assert.equal(await keys({ type: 0, clientID: 'c' }), await keys({ clientID: 'c' }))
  const different = [
    await keys({ type: 0, clientID: 'c' }),
    await keys({ type: 0, clientID: 'd' }),
    await keys(principal),
    await keys({ ...principal, tenantID: 'u' }),
    await keys({ ...principal, clientPassword: { namespace: 'default', name: 'other' } }),
    await keys(principal, '2'),
  ]
  assert.equal(new Set(different).size, different.length)
})

test('a service principal signs in where its adEndpoint says', async () => {
  const { tokensOf, asked } = tokensWith()
  await tokensOf(identity('a', { ...principal, adEndpoint: 'https://login.microsoftonline.us/' }), 'r')
  await tokensOf(identity('b', principal), 'r')
  assert.deepEqual(
    asked.map(({ authority }) => authority),
    ['https://login.microsoftonline.us', 'https://login.microsoftonline.com'],
  )
})
