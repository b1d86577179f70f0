import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { cpSync, rmSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { createClusterBackend } from '../../support/cluster-backend.ts'
import { eventually } from '../../support/eventually.ts'
import { type ArmFailure, startLocalAzure, type TestAzure, testGroup } from '../../support/local-azure.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

interface Setting {
  azure: TestAzure
  subscription: string
  group: string
}

async function resourceManager(t: TestContext): Promise<Setting> {
  const azure = await startLocalAzure(t)
  const subscription = `/subscriptions/${azure.administrator.subscriptionId}`
  return { azure, subscription, group: `${subscription}/resourceGroups/${testGroup}` }
}

function fails(status: number, code: string, text = /./) {
  return (error: ArmFailure) => {
    assert.deepEqual([error.status, error.code], [status, code], error.message)
    assert.match(error.message, text)
    return true
  }
}

function vaultBody({ azure }: Setting, properties: Record<string, unknown> = {}) {
  const { tenantId } = azure.administrator
  return { location: 'West Europe', properties: { tenantId, sku: { family: 'A', name: 'standard' }, ...properties } }
}

test('the subscription and its tenant exist', async (t) => {
  const { azure, subscription } = await resourceManager(t)
  const { tenantId, subscriptionId } = azure.administrator
  const subscriptions = await azure.arm.get('/subscriptions')
  assert.deepEqual(
    subscriptions.value.map(({ id, subscriptionId, tenantId, state }: Record<string, string>) => [
      id,
      subscriptionId,
      tenantId,
      state,
    ]),
    [[subscription, subscriptionId, tenantId, 'Enabled']],
  )
  assert.equal((await azure.arm.get('/tenants')).value[0].tenantId, tenantId)
  assert.ok((await azure.arm.get(`${subscription}/locations`)).value.length > 3)
  await assert.rejects(
    azure.arm.get(`/subscriptions/${randomUUID()}/resourceGroups`),
    fails(404, 'SubscriptionNotFound'),
  )
})

test('resource groups are created, found in any case, changed and deleted with their contents', async (t) => {
  const setting = await resourceManager(t)
  const { azure, subscription } = setting
  const path = `${subscription}/resourcegroups/My-Group`
  const made = await azure.arm.put(path, { location: 'East US 2', tags: { a: '1' } })
  assert.deepEqual(
    [made.id, made.name, made.location, made.properties.provisioningState],
    [`${subscription}/resourceGroups/My-Group`, 'My-Group', 'eastus2', 'Succeeded'],
  )
  assert.equal((await azure.arm.get(path.toUpperCase())).name, 'My-Group')
  await assert.rejects(azure.arm.put(path, { location: 'westus' }), fails(409, 'InvalidResourceGroupLocation'))
  await azure.arm.put(`${path}/providers/Microsoft.KeyVault/vaults/inside`, vaultBody(setting))
  await azure.arm.put(`${path}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/inside`, {
    location: 'eastus2',
  })
  assert.equal((await azure.arm.get(`${path}/resources`)).value.length, 2)
  await azure.arm.delete(path)
  await assert.rejects(azure.arm.get(path), fails(404, 'ResourceGroupNotFound', /'My-Group' could not be found/))
  assert.equal((await azure.arm.get(`${subscription}/resources`)).value.length, 0)
  assert.equal((await azure.arm.get(`${subscription}/providers/Microsoft.KeyVault/deletedVaults`)).value.length, 1)
})

test('a group is deleted in the background, refuses writes meanwhile, and the next start continues an unfinished deletion', async (t) => {
  const stateDir = temporaryDirectory(t)
  const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>()
  const backend = createClusterBackend()
  const first = await startLocalAzure(t, { stateDir, clusterBackend: { ...backend, delete: () => mayEnd } })
  const group = `/subscriptions/${first.administrator.subscriptionId}/resourceGroups/shop`
  await first.arm.put(group, { location: 'westeurope' })
  const cluster = `${group}/providers/Microsoft.ContainerService/managedClusters/shop`
  const agentPoolProfiles = [{ name: 'nodepool1', count: 1, mode: 'System' }]
  const properties = { dnsPrefix: 'shop', agentPoolProfiles }
  await first.arm.put(cluster, { location: 'westeurope', identity: { type: 'SystemAssigned' }, properties })
  await eventually(async () => assert.equal((await first.arm.get(cluster)).properties.provisioningState, 'Succeeded'))

  const deletion = await first.raw('DELETE', group)
  assert.deepEqual([deletion.status, deletion.headers['retry-after']], [202, '1'])
  assert.equal((await first.arm.get(group)).properties.provisioningState, 'Deleting')
  const identity = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/late`
  await assert.rejects(first.arm.put(identity, { location: 'westeurope' }), fails(409, 'ResourceGroupBeingDeleted'))
  const result = new URL(String(deletion.headers.location))
  const asked = await first.raw('GET', result.pathname)
  assert.deepEqual([asked.status, asked.headers['retry-after']], [202, '1'])
  // As if the process had ended here.
  cpSync(stateDir, `${stateDir}-copy`, { recursive: true, filter: (path) => !path.endsWith('.sock') })
  t.after(() => rmSync(`${stateDir}-copy`, { recursive: true, force: true }))
  end()
  await eventually(async () => assert.equal((await first.raw('GET', result.pathname)).status, 200))
  await assert.rejects(first.arm.get(group), fails(404, 'ResourceGroupNotFound'))

  const second = await startLocalAzure(t, { stateDir: `${stateDir}-copy`, clusterBackend: backend })
  await eventually(() => assert.rejects(second.arm.get(group), fails(404, 'ResourceGroupNotFound')))
})

test("a vault has Azure's defaults, and its location and name do not change", async (t) => {
  const setting = await resourceManager(t)
  const { azure, group } = setting
  const path = `${group}/providers/Microsoft.KeyVault/vaults/Shop`
  const vault = await azure.arm.put(path, vaultBody(setting))
  assert.deepEqual(
    [vault.id, vault.name, vault.type, vault.location],
    [path, 'Shop', 'Microsoft.KeyVault/vaults', 'westeurope'],
  )
  const { vaultUri, provisioningState, enableSoftDelete, softDeleteRetentionInDays } = vault.properties
  assert.deepEqual(
    [vaultUri, provisioningState, enableSoftDelete, softDeleteRetentionInDays],
    ['https://shop.vault.azure.net/', 'Succeeded', true, 90],
  )
  assert.deepEqual(await azure.arm.get(path), vault)
  const again = await azure.arm.put(path, {
    ...vaultBody(setting, { enableRbacAuthorization: true }),
    tags: { a: '1' },
  })
  assert.deepEqual([again.tags, again.properties.enableRbacAuthorization], [{ a: '1' }, true])
  await assert.rejects(
    azure.arm.put(path, { ...vaultBody(setting), location: 'eastus' }),
    fails(409, 'InvalidResourceLocation'),
  )
})

test('vault names are global, also those of deleted vaults', async (t) => {
  const setting = await resourceManager(t)
  const { azure, subscription, group } = setting
  const path = `${group}/providers/Microsoft.KeyVault/vaults/shop`
  await azure.arm.put(path, vaultBody(setting))
  await azure.arm.put(`${subscription}/resourceGroups/other`, { location: 'westeurope' })
  const elsewhere = `${subscription}/resourceGroups/other/providers/Microsoft.KeyVault/vaults/SHOP`
  await assert.rejects(azure.arm.put(elsewhere, vaultBody(setting)), fails(409, 'VaultAlreadyExists'))
  await assert.rejects(azure.arm.get(elsewhere), fails(404, 'ResourceNotFound'))
  await azure.arm.delete(path)
  await assert.rejects(azure.arm.put(elsewhere, vaultBody(setting)), fails(409, 'ConflictError'))
  const available = await azure.arm('POST', `${subscription}/providers/Microsoft.KeyVault/checkNameAvailability`, {
    name: 'shop',
    type: 'Microsoft.KeyVault/vaults',
  })
  assert.deepEqual([available.nameAvailable, available.reason], [false, 'AlreadyExists'])
})

test('a deleted vault is recovered with its secrets, a purged one is not', async (t) => {
  const setting = await resourceManager(t)
  const { azure, subscription } = setting
  const vault = await azure.createVault('shop')
  await azure.setSecret('shop', 'kept', 'value')
  await azure.arm.delete(vault.id)
  await assert.rejects(azure.setSecret('shop', 'x', 'y'), /404.*VaultNotFound/)
  const deletedPath = `${subscription}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/shop`
  assert.equal((await azure.arm.get(deletedPath)).properties.vaultId, vault.id)
  await azure.arm.put(vault.id, vaultBody(setting, { createMode: 'recover' }))
  const recovered = await azure.createVault('shop')
  assert.equal(await secretCount(azure, recovered.url), 1)
  await azure.arm.delete(vault.id)
  await azure.arm('POST', `${deletedPath}/purge`)
  await assert.rejects(azure.arm.get(deletedPath), fails(404, 'DeletedVaultNotFound'))
  const fresh = await azure.createVault('shop')
  assert.equal(await secretCount(azure, fresh.url), 0)
})

test('a new vault uses roles by default since API version 2026-02-01, and an existing one keeps its model', async (t) => {
  const azure = await startLocalAzure(t)
  const { subscriptionId, tenantId } = azure.administrator
  const vaults = `/subscriptions/${subscriptionId}/resourceGroups/${testGroup}/providers/Microsoft.KeyVault/vaults`
  const put = async (name: string, version: string, more: object = {}) => {
    const properties = { tenantId, sku: { family: 'A', name: 'standard' }, ...more }
    const vault = await azure.arm.put(`${vaults}/${name}?api-version=${version}`, {
      location: 'westeurope',
      properties,
    })
    return vault.properties.enableRbacAuthorization
  }
  assert.equal(await put('older', '2024-11-01'), false)
  assert.equal(await put('newer', '2026-02-01'), true)
  assert.equal(await put('preview', '2026-03-01-preview'), true)
  assert.equal(await put('explicit', '2026-02-01', { enableRbacAuthorization: false }), false)
  assert.equal(await put('older', '2026-02-01'), false)
  assert.equal(await put('newer', '2024-11-01'), true)
})

test('bad vaults are refused with the reason', async (t) => {
  const setting = await resourceManager(t)
  const { azure, group } = setting
  const put = (name: string, body: unknown) =>
    azure.arm.put(`${group}/providers/Microsoft.KeyVault/vaults/${name}`, body)
  const good = vaultBody(setting)
  await assert.rejects(put('1shop', good), fails(400, 'VaultNameNotValid'))
  await assert.rejects(put('a--b', good), fails(400, 'VaultNameNotValid'))
  await assert.rejects(put('shop', { properties: good.properties }), fails(400, 'LocationRequired'))
  await assert.rejects(put('shop', { location: 'westeurope' }), fails(400, 'InvalidRequestContent', /properties/))
  await assert.rejects(
    put('shop', vaultBody(setting, { sku: { family: 'B', name: 'gold' } })),
    fails(400, 'InvalidRequestContent', /properties\.sku\.family.*properties\.sku\.name/),
  )
  await assert.rejects(
    put('shop', vaultBody(setting, { tenantId: randomUUID() })),
    fails(400, 'BadRequest', /tenantId/),
  )
  await assert.rejects(
    put('shop', vaultBody(setting, { enableSoftDelete: false })),
    fails(400, 'BadRequest', /irreversible/),
  )
  await put('shop', vaultBody(setting, { enablePurgeProtection: true }))
  await assert.rejects(
    put('shop', vaultBody(setting, { enablePurgeProtection: false })),
    fails(400, 'BadRequest', /irreversible/),
  )
  const missing = group.replace(testGroup, 'missing')
  await assert.rejects(
    azure.arm.put(`${missing}/providers/Microsoft.KeyVault/vaults/shop2`, good),
    fails(404, 'ResourceGroupNotFound'),
  )
})

test('resources are found by type and name', async (t) => {
  const { azure, subscription } = await resourceManager(t)
  const vault = await azure.createVault('Shop')
  await azure.createIdentity('shop')
  const find = async (filter: string) =>
    (await azure.arm.get(`${subscription}/resources?$filter=${encodeURIComponent(filter)}`)).value.map(
      ({ id }: { id: string }) => id,
    )
  assert.deepEqual(await find("resourceType eq 'Microsoft.KeyVault/vaults' and name eq 'shop'"), [vault.id])
  assert.deepEqual(await find("name eq 'none'"), [])
  await assert.rejects(find("name ne 'x'"), fails(400, 'InvalidFilterInQueryString'))
})

test("an identity's client and principal do not change", async (t) => {
  const { azure, group } = await resourceManager(t)
  const path = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app`
  const made = await azure.arm.put(path, { location: 'westeurope' })
  assert.match(made.properties.principalId, /^[0-9a-f-]{36}$/)
  const again = await azure.arm.put(path, { location: 'westeurope', tags: { a: '1' } })
  assert.deepEqual(again, { ...made, tags: { a: '1' } })
  assert.deepEqual((await azure.arm.get(`${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities`)).value, [
    again,
  ])
  await azure.arm.delete(path)
  await assert.rejects(
    azure.arm.get(path),
    fails(404, 'ResourceNotFound', /Microsoft.ManagedIdentity\/userAssignedIdentities\/app/),
  )
})

test('a federated credential gets the default audience, and an identity has at most 20', async (t) => {
  const { azure } = await resourceManager(t)
  const identity = await azure.createIdentity('app')
  const put = (name: string, properties: Record<string, unknown>) =>
    azure.arm.put(`${identity.id}/federatedIdentityCredentials/${name}`, { properties })
  const issuer = 'https://issuer.example/'
  const first = await put('first', { issuer, subject: 'one' })
  assert.deepEqual(first.properties, { issuer, subject: 'one', audiences: ['api://AzureADTokenExchange'] })
  assert.equal(first.id, `${identity.id}/federatedIdentityCredentials/first`)
  await assert.rejects(
    put('second', { issuer, subject: 'one' }),
    fails(409, 'Conflict', /Issuer and subject combination already exists/),
  )
  await put('first', { issuer, subject: 'changed' })
  for (let i = 2; i <= 20; i++) await put(`number-${i}`, { issuer, subject: `s${i}` })
  await assert.rejects(put('number-21', { issuer, subject: 's21' }), fails(400, 'BadRequest', /at most 20/))
  await put('number-20', { issuer, subject: 'another' })
  assert.equal((await azure.arm.get(`${identity.id}/federatedIdentityCredentials`)).value.length, 20)
})

test('bad federated credentials are refused with the reason', async (t) => {
  const { azure } = await resourceManager(t)
  const identity = await azure.createIdentity('app')
  const put = (properties: Record<string, unknown>) =>
    azure.arm.put(`${identity.id}/federatedIdentityCredentials/first`, { properties })
  const issuer = 'https://issuer.example'
  await assert.rejects(
    put({ issuer: 'http://issuer.example', subject: 's' }),
    fails(400, 'InvalidRequestContent', /properties\.issuer.*https/),
  )
  await assert.rejects(put({ issuer }), fails(400, 'InvalidRequestContent', /properties\.subject/))
  await assert.rejects(
    put({ issuer, subject: 's', audiences: ['a', 'b'] }),
    fails(400, 'InvalidRequestContent', /audiences/),
  )
})

test('a role assignment is created once, by GUID, for an existing principal, on an existing scope', async (t) => {
  const { azure, group } = await resourceManager(t)
  const identity = await azure.createIdentity('app')
  const { value } = await azure.arm.get(
    `${group}/providers/Microsoft.Authorization/roleDefinitions?$filter=${encodeURIComponent("roleName eq 'Reader'")}`,
  )
  const roleDefinitionId = value[0].id
  assert.match(
    roleDefinitionId,
    /^\/subscriptions\/[^/]+\/providers\/Microsoft.Authorization\/roleDefinitions\/acdd72a7-3385-48ef-bd42-f606fba81ae7$/,
  )
  const put = (name: string, properties: Record<string, unknown>, scope = group) =>
    azure.arm.put(`${scope}/providers/Microsoft.Authorization/roleAssignments/${name}`, {
      properties: { roleDefinitionId, principalId: identity.principalId, ...properties },
    })
  const name = randomUUID()
  const made = await put(name, {})
  assert.deepEqual(
    [made.name, made.properties.scope, made.properties.principalId, made.properties.roleDefinitionId],
    [name, group, identity.principalId, roleDefinitionId],
  )
  await put(name, {})
  await assert.rejects(put(randomUUID(), {}), fails(409, 'RoleAssignmentExists', new RegExp(name.replaceAll('-', ''))))
  await assert.rejects(put('no-guid', {}), fails(400, 'InvalidRoleAssignmentId'))
  await assert.rejects(
    put(randomUUID(), { principalId: randomUUID() }),
    fails(400, 'PrincipalNotFound', /does not exist in the directory/),
  )
  await assert.rejects(put(randomUUID(), { principalType: 'User' }), fails(400, 'UnmatchedPrincipalType'))
  await assert.rejects(put(randomUUID(), { roleDefinitionId: randomUUID() }), fails(404, 'RoleDefinitionDoesNotExist'))
  await assert.rejects(
    put(randomUUID(), {}, `${group}/providers/Microsoft.KeyVault/vaults/none`),
    fails(404, 'ResourceNotFound'),
  )

  const list = async (filter: string) =>
    (
      await azure.arm.get(
        `${group}/providers/Microsoft.Authorization/roleAssignments?$filter=${encodeURIComponent(filter)}`,
      )
    ).value
  assert.deepEqual(
    (await list(`principalId eq '${identity.principalId}'`)).map(({ id }: { id: string }) => id),
    [made.id],
  )
  assert.equal((await list('atScope()')).length, 2)
  await azure.arm.delete(made.id.replace('resourceGroups', 'resourcegroups'))
  assert.deepEqual(await list(`assignedTo('${identity.principalId}')`), [])
})

test('the role assignments on a resource are deleted with it', async (t) => {
  const { azure } = await resourceManager(t)
  const identity = await azure.createIdentity('app')
  const vault = await azure.createVault('shop')
  const assignment = await azure.assignRole('Key Vault Secrets User', identity.principalId, vault.id)
  await azure.arm.delete(vault.id)
  await assert.rejects(azure.arm.get(assignment), fails(404, 'RoleAssignmentNotFound'))
})

test('requests need a token for Resource Manager and an api-version', async (t) => {
  const { azure, group } = await resourceManager(t)
  const ask = async (query: string, token?: string) => {
    const url = new URL(`${group}${query}`, 'https://management.azure.com')
    const answer = await azure.send({ url, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } })
    return { ...answer, code: JSON.parse(answer.body.toString('utf8')).error.code }
  }
  const none = await ask('?api-version=2024-01-01')
  assert.deepEqual([none.status, none.code], [401, 'AuthenticationFailed'])
  assert.match(String(none.headers['www-authenticate']), /authorization_uri="https:\/\/login\.microsoftonline\.com\//)
  const vaultToken = await azure.token('https://vault.azure.net')
  assert.equal((await ask('?api-version=2024-01-01', vaultToken)).code, 'InvalidAuthenticationTokenAudience')
  assert.equal((await ask('?api-version=2024-01-01', 'nonsense')).code, 'InvalidAuthenticationToken')
  assert.equal((await ask('', await azure.token('https://management.azure.com'))).code, 'MissingApiVersionParameter')
})

test('an operation that is not implemented is refused by name', async (t) => {
  const { azure, group } = await resourceManager(t)
  await assert.rejects(
    azure.arm.put(`${group}/providers/Microsoft.Cache/redis/x`, {}),
    fails(501, 'NotImplemented', /PUT .*microsoft\.cache\/redis\/x/),
  )
})

async function secretCount(azure: TestAzure, vaultUrl: string): Promise<number> {
  const { body } = await azure.send({
    url: new URL('/secrets?api-version=7.4', vaultUrl),
    headers: { authorization: `Bearer ${await azure.token('https://vault.azure.net')}` },
  })
  return JSON.parse(body.toString('utf8')).value.length
}
