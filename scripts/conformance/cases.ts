import { randomUUID } from 'node:crypto'
import { AzureRestError, type AzureService, builtInRoles } from '#azure/rest'
import { sleep } from '#lib'
import type { HttpSend } from '#lib/http'

/** What a case works with: one resource group and one vault, which it shares with the others. */
export interface Setting {
  arm: AzureService
  vault: AzureService
  send: HttpSend
  vaultName: string
  tenantId: string
  /** Path of the resource group. */
  group: string
  location: string
}

/** Notes what was found and what Azure is expected to give. */
export type Check = (what: string, found: unknown, expected: unknown) => void

export interface Case {
  name: string
  run(setting: Setting, check: Check): Promise<void>
}

const v = { apiVersion: '7.4' }
const vaultApi = { apiVersion: '2023-07-01' }
const identityApi = { apiVersion: '2023-01-31' }
const roleApi = { apiVersion: '2022-04-01' }

interface Attributes {
  enabled: boolean
  recoveryLevel: string
  recoverableDays: number
}

interface Item {
  id: string
  value?: string
  contentType?: string
  tags?: Record<string, string>
  attributes: Attributes
}

interface KeyItem {
  key: { kid: string; kty: string; n?: string; crv?: string; d?: string; key_ops: string[] }
  attributes: Attributes
}

interface Resource {
  id: string
  name: string
  location: string
  properties: Record<string, unknown>
}

/** Status and code of a refusal. */
async function refusal(call: Promise<unknown>): Promise<unknown> {
  try {
    await call
    return 'not refused'
  } catch (error) {
    if (error instanceof AzureRestError) return [error.status, error.code]
    throw error
  }
}

/** Asks until something is there: what Azure does in the background takes seconds. */
async function settled<T>(ask: () => Promise<T | undefined>): Promise<T | undefined> {
  for (let attempt = 0; attempt < 30; attempt++) {
    const found = await ask()
    if (found !== undefined) return found
    await sleep(attempt < 5 ? 100 : 2000)
  }
  return undefined
}

const versionOf = (id: string) => id.split('/').at(-1) ?? ''

export const cases: readonly Case[] = [
  {
    name: 'vault: defaults',
    async run({ arm, group, vaultName, location }, check) {
      const vault = await arm.get<Resource>(`${group}/providers/Microsoft.KeyVault/vaults/${vaultName}`, vaultApi)
      const { sku, enableSoftDelete, softDeleteRetentionInDays, vaultUri, provisioningState } = vault.properties
      check('name and location', [vault.name, vault.location], [vaultName, location])
      check('sku', sku, { family: 'A', name: 'standard' })
      check('soft delete', [enableSoftDelete, softDeleteRetentionInDays], [true, 90])
      check('address', vaultUri, `https://${vaultName}.vault.azure.net/`)
      check('state', provisioningState, 'Succeeded')
    },
  },
  {
    name: 'vault: a request without a token is challenged',
    async run({ send, vaultName, tenantId }, check) {
      const { status, headers, body } = await send({ url: new URL(`https://${vaultName}.vault.azure.net/secrets/a_b`) })
      check('status', status, 401)
      check(
        'challenge',
        headers['www-authenticate'],
        `Bearer authorization="https://login.microsoftonline.com/${tenantId}", resource="https://vault.azure.net"`,
      )
      check('code', /AKV\d+/.exec(body.toString())?.[0], 'AKV10000')
    },
  },
  {
    name: 'secret: set and read',
    async run({ vault, vaultName }, check) {
      const body = { value: 'ä value\n', contentType: 'text/plain', tags: { team: 'shop' } }
      const set = await vault.put<Item>('/secrets/Set', body, v)
      const got = await vault.get<Item>('/secrets/Set', v)
      check('value', got.value, body.value)
      check(
        'id',
        got.id.replace(/[0-9a-f]{32}$/, 'VERSION'),
        `https://${vaultName}.vault.azure.net/secrets/Set/VERSION`,
      )
      check('same id', got.id, set.id)
      check('content type and tags', [got.contentType, got.tags], [body.contentType, body.tags])
      check('enabled', got.attributes.enabled, true)
      check('recovery', [got.attributes.recoveryLevel, got.attributes.recoverableDays], ['Recoverable+Purgeable', 90])
      check('names have no case', (await vault.get<Item>('/secrets/SET', v)).value, body.value)
    },
  },
  {
    name: 'secret: versions',
    async run({ vault }, check) {
      const first = await vault.put<Item>('/secrets/versions', { value: 'one' }, v)
      await vault.put('/secrets/versions', { value: 'two' }, v)
      check('latest', (await vault.get<Item>('/secrets/versions', v)).value, 'two')
      check('older', (await vault.get<Item>(`/secrets/versions/${versionOf(first.id)}`, v)).value, 'one')
      const listed = await vault.list<Item>('/secrets/versions/versions', { ...v, query: { maxresults: '1' } })
      check('list, one per page', listed.length, 2)
      check(
        'a list has no values',
        listed.some(({ value }) => value !== undefined),
        false,
      )
    },
  },
  {
    name: 'secret: an update changes no value',
    async run({ vault }, check) {
      const set = await vault.put<Item>('/secrets/updated', { value: 'value', tags: { a: '1' } }, v)
      const updated = await vault.patch<Item>(`/secrets/updated/${versionOf(set.id)}`, { tags: { b: '2' } }, v)
      check('answer', [updated.id, updated.tags, updated.value], [set.id, { b: '2' }, undefined])
      check('value', (await vault.get<Item>('/secrets/updated', v)).value, 'value')
    },
  },
  {
    name: 'secret: disabled, expired, not yet valid',
    async run({ vault }, check) {
      await vault.put('/secrets/off', { value: 'value', attributes: { enabled: false } }, v)
      check('disabled', await refusal(vault.get('/secrets/off', v)), [403, 'Forbidden'])
      await vault.put('/secrets/old', { value: 'value', attributes: { exp: 1_577_836_800 } }, v)
      check('expired', (await vault.get<Item>('/secrets/old', v)).value, 'value')
      await vault.put('/secrets/early', { value: 'value', attributes: { nbf: 4_102_444_800 } }, v)
      check('not yet valid', (await vault.get<Item>('/secrets/early', v)).value, 'value')
    },
  },
  {
    name: 'secret: deleted, recovered, purged',
    async run({ vault }, check) {
      await vault.put('/secrets/deleted', { value: 'value' }, v)
      await vault.delete('/secrets/deleted', v)
      check('read', await refusal(vault.get('/secrets/deleted', v)), [404, 'SecretNotFound'])
      check('set', await refusal(vault.put('/secrets/deleted', { value: 'x' }, v)), [409, 'Conflict'])
      const deleted = await settled(() => vault.find<Item>('/deletedsecrets/deleted', v))
      check('listed as deleted', deleted?.value === undefined && deleted !== undefined, true)
      await vault.post('/deletedsecrets/deleted/recover', {}, v)
      const recovered = await settled(() => vault.find<Item>('/secrets/deleted', v))
      check('recovered', recovered?.value, 'value')
    },
  },
  {
    name: 'secret: bad requests',
    async run({ vault }, check) {
      const put = (path: string, body: unknown, options = v) => refusal(vault.put(path, body, options))
      const bad = [400, 'BadParameter']
      check('no api-version', await refusal(vault.get('/secrets/x')), bad)
      check('unknown api-version', await refusal(vault.get('/secrets/x', { apiVersion: '1.0' })), bad)
      check('name', await put('/secrets/my_secret', { value: 'x' }), bad)
      check('no value', await put('/secrets/x', {}), bad)
      check('a value that is a number', await put('/secrets/x', { value: 1 }), bad)
      check('a value of 25,001 bytes', await put('/secrets/x', { value: 'x'.repeat(25_001) }), bad)
      const tags = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`t${index}`, 'x']))
      check('16 tags', await put('/secrets/x', { value: 'x', tags }), bad)
      check('page size', await refusal(vault.get('/secrets', { ...v, query: { maxresults: '26' } })), bad)
      check('missing', await refusal(vault.get('/secrets/none', v)), [404, 'SecretNotFound'])
    },
  },
  {
    name: 'key: made, listed, used',
    async run({ vault }, check) {
      const rsa = await vault.post<KeyItem>('/keys/rsa/create', { kty: 'RSA', key_size: 2048 }, v)
      check('modulus', Buffer.from(rsa.key.n ?? '', 'base64url').length, 256)
      check('operations', rsa.key.key_ops, ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'])
      check('no private part', rsa.key.d, undefined)
      const ec = await vault.post<KeyItem>('/keys/ec/create', { kty: 'EC', crv: 'P-384' }, v)
      check('curve and operations', [ec.key.kty, ec.key.crv, ec.key.key_ops], ['EC', 'P-384', ['sign', 'verify']])
      const value = Buffer.alloc(32, 1).toString('base64url')
      const path = new URL(rsa.key.kid).pathname
      const signed = await vault.post<{ kid: string; value: string }>(`${path}/sign`, { alg: 'RS256', value }, v)
      check('signer', signed.kid, rsa.key.kid)
      const verify = { alg: 'RS256', digest: value, value: signed.value }
      check('verified', await vault.post(`${path}/verify`, verify, v), { value: true })
      const small = vault.post('/keys/small/create', { kty: 'RSA', key_size: 1024 }, v)
      check('1,024 bits', await refusal(small), [400, 'BadParameter'])
      check('missing', await refusal(vault.get('/keys/none', v)), [404, 'KeyNotFound'])
    },
  },
  {
    name: 'key: permitted operations and validity',
    async run({ vault }, check) {
      const sign = async (name: string, body: object) => {
        const { key } = await vault.post<KeyItem>(`/keys/${name}/create`, { kty: 'RSA', ...body }, v)
        const value = Buffer.alloc(32, 1).toString('base64url')
        return refusal(vault.post(`${new URL(key.kid).pathname}/sign`, { alg: 'RS256', value }, v))
      }
      const forbidden = [403, 'Forbidden']
      check('not among its operations', await sign('verifier', { key_ops: ['verify'] }), forbidden)
      check('disabled', await sign('disabled', { attributes: { enabled: false } }), forbidden)
      check('expired', await sign('ended', { attributes: { exp: 1_577_836_800 } }), forbidden)
      check('not yet valid', await sign('early', { attributes: { nbf: 4_102_444_800 } }), forbidden)
    },
  },
  {
    name: 'certificate: self-signed',
    async run({ vault }, check) {
      const policy = {
        issuer: { name: 'Self' },
        x509_props: { subject: 'CN=conformance.example', validity_months: 1 },
        key_props: { kty: 'RSA', key_size: 2048, exportable: true, reuse_key: false },
        secret_props: { contentType: 'application/x-pem-file' },
      }
      const begun = await vault.post<{ status: string; issuer: { name: string } }>(
        '/certificates/self/create',
        { policy },
        v,
      )
      check('begun', [begun.status, begun.issuer.name], ['inProgress', 'Self'])
      const made = await settled(async () => {
        const pending = await vault.get<{ status: string }>('/certificates/self/pending', v)
        return pending.status === 'completed'
          ? vault.get<{ id: string; kid: string; sid: string }>('/certificates/self', v)
          : undefined
      })
      const pathOf = (id = 'https://none.example/') => new URL(id).pathname.split('/').slice(1, 3)
      check(
        'key and secret',
        [pathOf(made?.kid), pathOf(made?.sid)],
        [
          ['keys', 'self'],
          ['secrets', 'self'],
        ],
      )
      const secret = await vault.get<Item>('/secrets/self', v)
      check('content type', secret.contentType, 'application/x-pem-file')
      const labels = [...(secret.value ?? '').matchAll(/-----BEGIN ([A-Z ]+)-----/g)].map(([, label]) => label)
      check('content', labels, ['PRIVATE KEY', 'CERTIFICATE'])
      check('its secret alone cannot be deleted', await refusal(vault.delete('/secrets/self', v)), [403, 'Forbidden'])
    },
  },
  {
    name: 'managed identity: made, with federated credentials',
    async run({ arm, group, location }, check) {
      const identity = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app`
      const made = await arm.put<Resource>(identity, { location }, identityApi)
      check('a client id', /^[0-9a-f-]{36}$/.test(String(made.properties.clientId)), true)
      const again = await arm.put<Resource>(identity, { location, tags: { a: '1' } }, identityApi)
      check('it stays the same', again.properties.clientId, made.properties.clientId)
      const issuer = 'https://issuer.example/'
      const put = (name: string, properties: object) =>
        arm.put<Resource>(`${identity}/federatedIdentityCredentials/${name}`, { properties }, identityApi)
      const audiences = ['api://AzureADTokenExchange']
      const first = await put('first', { issuer, subject: 'one', audiences })
      check('federated credential', first.properties, { issuer, subject: 'one', audiences })
      check('the same subject twice', await refusal(put('second', { issuer, subject: 'one', audiences })), [
        409,
        'Conflict',
      ])
      const plain = put('plain', { issuer: 'http://issuer.example', subject: 's', audiences })
      check('an issuer without TLS', ((await refusal(plain)) as unknown[])[0], 400)
      await arm.delete(`${identity}/federatedIdentityCredentials/first`, identityApi)
      const gone = arm.get(`${identity}/federatedIdentityCredentials/first`, identityApi)
      check('deleted', ((await refusal(gone)) as unknown[])[0], 404)
    },
  },
  {
    name: 'role assignment',
    async run({ arm, group, location, vaultName }, check) {
      const scope = `${group}/providers/Microsoft.KeyVault/vaults/${vaultName}`
      const path = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/reader`
      const { properties } = await arm.put<Resource>(path, { location }, identityApi)
      const subscription = group.split('/').slice(0, 3).join('/')
      const roleDefinitionId = `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${builtInRoles['Key Vault Secrets User']}`
      const put = (body: object, name: string = randomUUID()) =>
        arm.put<Resource>(
          `${scope}/providers/Microsoft.Authorization/roleAssignments/${name}`,
          {
            properties: {
              roleDefinitionId,
              principalId: properties.principalId,
              principalType: 'ServicePrincipal',
              ...body,
            },
          },
          roleApi,
        )
      const made = await put({})
      check('scope', String(made.properties.scope).toLowerCase(), scope.toLowerCase())
      check('twice', await refusal(put({})), [409, 'RoleAssignmentExists'])
      check('name', await refusal(put({}, 'no-guid')), [400, 'InvalidRoleAssignmentId'])
      check('unknown principal', await refusal(put({ principalId: randomUUID(), principalType: undefined })), [
        400,
        'PrincipalNotFound',
      ])
      check(
        'unknown role',
        await refusal(
          put({
            roleDefinitionId: `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${randomUUID()}`,
          }),
        ),
        [404, 'RoleDefinitionDoesNotExist'],
      )
      await arm.delete(made.id, roleApi)
    },
  },
]
