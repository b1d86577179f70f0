import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Credential, IdentityError, type TokenSource } from '#azure/identity'
import type { AzureIdentity, KubeClient } from '#kubernetes/client'
import { SecretValue } from '#lib'
import { ImdsRefusal } from '#product/imds'
import { createIdentityTokens } from './identity-tokens.ts'
import { createNmiMetrics } from './nmi-metrics.ts'

const identity = (name: string, spec: AzureIdentity['spec']): AzureIdentity => ({
  apiVersion: 'aadpodidentity.k8s.io/v1',
  kind: 'AzureIdentity',
  metadata: { namespace: 'default', name },
  spec,
})

interface Setting {
  failure?: unknown
  version?: string
  allowCrossNamespaceSecrets?: boolean
  allowedAuthorities?: string[]
  data?: Record<string, string>
}

/** Records which tokens were requested, under which key and as whom, and which Secrets were read. */
function tokensWith(setting: Setting = {}) {
  const { failure, version = '1', allowCrossNamespaceSecrets = false, allowedAuthorities = [] } = setting
  const { data = { clientSecret: 'secret' } } = setting
  const asked: { key: string; credential: Credential; authority: string }[] = []
  const secrets: string[] = []
  const source: TokenSource = {
    async get(key, credential, { cloud }) {
      asked.push({ key, credential, authority: cloud.authority })
      if (failure !== undefined) throw failure
      return { token: SecretValue.of('token'), expiresAt: 0 }
    },
    isHeld: () => false,
    heldMs: () => 0,
    forget: () => undefined,
  }
  const kube = {
    async get(_: unknown, { name, namespace }: { name: string; namespace: string }) {
      secrets.push(`${namespace}/${name}`)
      return {
        metadata: { namespace, name, uid: 'uid', resourceVersion: version },
        data: Object.fromEntries(
          Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')]),
        ),
      }
    },
  } as unknown as KubeClient
  const metrics = createNmiMetrics()
  const tokensOf = createIdentityTokens({ source, kube, metrics, allowCrossNamespaceSecrets, allowedAuthorities })
  return { asked, secrets, metrics, tokensOf }
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
        error instanceof ImdsRefusal &&
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
    (error: unknown) => error instanceof ImdsRefusal && error.status === 503,
  )
  assert.deepEqual(asked, [])
})

test('tokens are shared by identities that would get the same anyway, and by no others', async () => {
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

test('the Secret of a service principal is in the namespace of its AzureIdentity, which an empty one means', async () => {
  for (const namespace of [undefined, '', 'default']) {
    const { tokensOf, secrets } = tokensWith()
    const clientPassword = { name: 's', ...(namespace !== undefined && { namespace }) }
    await tokensOf(identity('a', { ...principal, clientPassword }), 'r')
    assert.deepEqual(secrets, ['default/s'])
  }
})

test('a Secret of another namespace is neither read nor sent anywhere, unless the administrator permits it', async () => {
  const foreign = identity('a', { ...principal, clientPassword: { namespace: 'kube-system', name: 's' } })
  const strict = tokensWith()
  await assert.rejects(
    strict.tokensOf(foreign, 'r'),
    (error: unknown) =>
      error instanceof ImdsRefusal &&
      error.status === 403 &&
      /spec\.clientPassword\.namespace: found "kube-system", expected "default".*--allow-cross-namespace-secrets/.test(
        error.message,
      ),
  )
  assert.deepEqual([strict.secrets, strict.asked], [[], []])
  const permitted = tokensWith({ allowCrossNamespaceSecrets: true })
  await permitted.tokensOf(foreign, 'r')
  assert.deepEqual(permitted.secrets, ['kube-system/s'])
})

test('only the documented keys of a Secret are ever used', async () => {
  const { tokensOf, asked } = tokensWith({ data: { token: 'planted', 'a-first-key': 'planted' } })
  await assert.rejects(tokensOf(identity('a', principal), 'r'), /the Secret default\/s has no key clientSecret/)
  const certificate = identity('b', { ...principal, type: 2 })
  await assert.rejects(tokensOf(certificate, 'r'), /the Secret default\/s has no key certificate/)
  assert.deepEqual(asked, [])
})

test('a service principal signs in at the adEndpoint of a known cloud', async () => {
  const { tokensOf, asked } = tokensWith()
  const authority = async (adEndpoint: string) => {
    await tokensOf(identity('a', { ...principal, adEndpoint }), 'r')
    return asked.at(-1)?.authority
  }
  assert.equal(await authority(''), 'https://login.microsoftonline.com')
  assert.equal(await authority('https://login.microsoftonline.us///'), 'https://login.microsoftonline.us')
  assert.equal(await authority('HTTPS://LOGIN.chinacloudapi.cn:443/'), 'https://login.chinacloudapi.cn')
})

test('any other adEndpoint gets neither secret nor request, unless it is one of --allowed-authorities', async () => {
  const allowedAuthorities = ['https://login.stack.example/adfs/']
  for (const adEndpoint of [
    'https://attacker.example',
    'http://login.microsoftonline.com',
    'https://login.microsoftonline.com@attacker.example',
    'https://login.microsoftonline.com.attacker.example',
    'https://login.microsoftonline.com:8443',
    'https://login.microsoftonline.com/path',
    'https://login.microsoftonline.com/?x=',
    'login.microsoftonline.com',
    `https://${'/'.repeat(100_000)}`,
    'http://login.stack.example/adfs',
    'https://login.stack.example',
  ]) {
    const { tokensOf, asked, secrets } = tokensWith({ allowedAuthorities })
    await assert.rejects(
      tokensOf(identity('a', { ...principal, adEndpoint }), 'r'),
      (error: unknown) =>
        error instanceof ImdsRefusal && error.status === 403 && /spec\.adEndpoint: found/.test(error.message),
      adEndpoint.slice(0, 80),
    )
    assert.deepEqual([asked, secrets], [[], []])
  }
  const { tokensOf, asked } = tokensWith({ allowedAuthorities })
  await tokensOf(identity('a', { ...principal, adEndpoint: 'https://login.stack.example/adfs' }), 'r')
  assert.equal(asked[0]?.authority, 'https://login.stack.example/adfs')
})
