import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { createLog, systemClock } from '#lib'
import { failureOf, objectsOf } from '../../support/provider.ts'
import { appSubject, startProviderLab } from '../../support/provider-lab.ts'

const secret = (objectName: string, more: Record<string, string | number> = {}) => ({
  objectName,
  objectType: 'secret',
  ...more,
})

test('mount() reads secrets by workload identity: one sign-in, one request per object', async (t) => {
  const lab = await startProviderLab(t)
  const { clientId: clientID } = await lab.createReadableVault('shop-vault')
  await lab.azure.setSecret('shop-vault', 'db', 'hunter2\n')
  const id = await lab.azure.setSecret('shop-vault', 'api-key', 'käse')
  const { mount } = await lab.startProvider()
  const objects = objectsOf(secret('db'), secret('api-key', { objectAlias: 'keys/api', filePermission: '0400' }))
  const request = await lab.request({ keyvaultName: 'shop-vault', clientID, objects })
  await lab.takeCounts()

  const { files, objectVersion } = await mount(request)

  assert.deepEqual(await lab.takeCounts(), { 'entra.token': 1, 'vault.secret.get': 2 })
  assert.deepEqual(
    files.map(({ path, mode, contents }) => [path, mode, contents.toString()]),
    [
      ['db', 0o644, 'hunter2\n'],
      ['keys/api', 0o400, 'käse'],
    ],
  )
  assert.deepEqual(
    objectVersion.map((one) => one.id),
    ['secret/db', 'secret/api-key'],
  )
  assert.equal(objectVersion[1]?.version, id.split('/').at(-1))
})

test('mount() decodes, keeps versions apart, takes parts of JSON, several vaults and a plain list', async (t) => {
  // Versions are ordered by their second of creation.
  let ahead = 0
  const clock = { ...systemClock, now: () => Date.now() + ahead }
  const lab = await startProviderLab(t, { clock })
  const { clientId: clientID, principalId } = await lab.createReadableVault('shop-vault')
  const other = await lab.azure.createVault('other-vault')
  await lab.azure.assignRole('Key Vault Secrets User', principalId, other.id)
  await lab.azure.setSecret('shop-vault', 'base', Buffer.from([0, 255, 10]).toString('base64'))
  await lab.azure.setSecret('shop-vault', 'hex', '00ff0A')
  await lab.azure.setSecret('other-vault', 'base', 'from the other vault')
  await lab.azure.setSecret(
    'shop-vault',
    'config',
    '{"db":{"user":"sa","port":12345678901234567890},"hosts":["a","b"]}',
  )
  const versions: string[] = []
  for (const value of ['one', 'two', 'three']) {
    versions.unshift((await lab.azure.setSecret('shop-vault', 'rolling', value)).split('/').at(-1) ?? '')
    ahead += 1000
  }
  const objects = `
- objectName: base
  objectType: secret
  objectEncoding: Base64
  objectAlias: bytes
- objectName: hex
  objectType: secret
  objectEncoding: hex
- {objectName: base, objectType: secret, vault: other-vault}
- objectName: config
  objectType: secret
  jsonPath:
    - {path: $.db.user, objectAlias: db/user}
    - {path: "$.db.port", objectAlias: db/port, filePermission: 0440}
    - path: hosts
- {objectName: rolling, objectType: secret, objectVersionHistory: 2, objectAlias: history//rolling}
- {objectName: rolling, objectType: secret, objectVersion: ${versions[2]}, objectAlias: oldest}
- {objectName: rolling, objectType: secret, objectVersion: latest}
- {objectName: not-there, objectType: secret, optional: true}
`
  const { mount } = await lab.startProvider()
  const { files, objectVersion } = await mount(await lab.request({ keyvaultName: 'shop-vault', clientID, objects }))
  const found = Object.fromEntries(files.map(({ path, contents }) => [path, contents.toString('latin1')]))
  assert.deepEqual(found, {
    bytes: '\x00\xff\n',
    hex: '\x00\xff\n',
    base: 'from the other vault',
    'db/user': 'sa',
    'db/port': '12345678901234567890',
    hosts: '["a","b"]',
    'history/rolling/0': 'three',
    'history/rolling/1': 'two',
    oldest: 'one',
    rolling: 'three',
  })
  assert.equal(files.find(({ path }) => path === 'db/port')?.mode, 0o440)
  const history = objectVersion.filter(({ id }) => id.startsWith('secret/rolling/'))
  assert.deepEqual(history, [
    { id: 'secret/rolling/0', version: versions[0] },
    { id: 'secret/rolling/1', version: versions[1] },
  ])
})

test('mount() names every object that failed, the vault and the identity, in one error', async (t) => {
  const lab = await startProviderLab(t)
  const { clientId: clientID } = await lab.createReadableVault('shop-vault')
  await lab.azure.setSecret('shop-vault', 'here', 'planted-value')
  await lab.azure.setSecret('shop-vault', 'disabled', 'planted-value')
  const { id } = (await lab.vault('shop-vault', 'PUT', '/secrets/disabled', {
    value: 'x',
    attributes: { enabled: false },
  })) as { id: string }
  assert.ok(id)
  await lab.azure.setSecret('shop-vault', 'deleted', 'planted-value')
  await lab.vault('shop-vault', 'DELETE', '/secrets/deleted')
  const { mount } = await lab.startProvider()
  const objects = objectsOf(
    secret('here'),
    secret('gone'),
    secret('disabled'),
    secret('deleted'),
    secret('here', { objectVersion: 'f'.repeat(32), objectAlias: 'old' }),
  )
  const { code, details } = await failureOf(mount(await lab.request({ keyvaultName: 'shop-vault', clientID, objects })))
  assert.equal(code, status.NOT_FOUND)
  for (const text of [
    'failed to mount objects, error: [vault-object-missing] failed to get secret/gone: not in vault "shop-vault" (https://shop-vault.vault.azure.net)',
    '[vault-object-disabled] failed to get secret/disabled: disabled in vault "shop-vault"; enable it',
    'az keyvault secret recover --vault-name shop-vault --name deleted',
    `secret/here/${'f'.repeat(32)}`,
    '; 4 of 5 objects failed; more: keymount explain vault-object-missing; asked as workload identity: ',
    clientID,
    appSubject,
  ]) {
    assert.ok(details.includes(text), `${text}\nin ${details}`)
  }
  assert.ok(!details.includes('planted'))
})

test('mount() names the objects that failed for the same reason in one list, with what a reader needs in 700 characters', async (t) => {
  const lab = await startProviderLab(t)
  const { clientId: clientID } = await lab.createReadableVault('shop-vault')
  await lab.azure.createVault('closed-vault')
  const { mount } = await lab.startProvider()
  const failure = async (keyvaultName: string, count: number) => {
    const objects = objectsOf(...Array.from({ length: count }, (_, index) => secret(`secret-number-${index}`)))
    return (await failureOf(mount(await lab.request({ keyvaultName, clientID, objects })))).details
  }
  for (const count of [1, 5, 30]) {
    const details = await failure('closed-vault', count)
    const start = details.slice(0, 700)
    assert.match(start, /^failed to mount objects, error: \[vault-forbidden\] failed to get /)
    assert.equal(details.match(/vault-forbidden\] failed/g)?.length, 1, details)
    assert.ok(start.includes('secret-number-0'), details)
    assert.ok(start.includes('vault "closed-vault" (https://closed-vault.vault.azure.net)'), details)
    assert.ok(start.includes('grant the role "Key Vault Secrets User" on the vault'), details)
    assert.ok(start.includes('more: keymount explain vault-forbidden; asked as workload identity: client '), details)
    assert.ok(start.includes(clientID), details)
    if (count === 30) assert.match(start, /secret\/secret-number-\d+ and \d+ more: .*30 of 30 objects failed/)
    assert.ok(details.length < 850, `${details.length}: ${details}`)
  }
  // One object keeps upstream's words, which users search for.
  assert.match(
    await failure('shop-vault', 1),
    /failed to get objectType:secret, objectName:secret-number-0, objectVersion:: /,
  )
})

test('mount() logs what the error has no room for', async (t) => {
  const lab = await startProviderLab(t)
  const { clientId: clientID } = await lab.createReadableVault('shop-vault')
  const lines: string[] = []
  const log = createLog({ name: 'provider', stream: { write: (line) => void lines.push(line) } })
  const { mount } = await lab.startProvider({ log })
  const objects = objectsOf(
    ...Array.from({ length: 9 }, (_, index) =>
      secret(`a${index}`, { objectType: 'sekret', objectAlias: `../${index}` }),
    ),
  )
  const { details } = await failureOf(mount(await lab.request({ keyvaultName: 'shop-vault', clientID, objects })))
  assert.match(details, /^failed to mount objects, error: \[parameters-invalid\] .*and \d+ more in the provider’s log$/)
  assert.ok(details.length < 800, details)
  assert.ok(!details.includes('objectName:a8'))
  assert.ok(lines.some((line) => line.includes('"errorCode":"parameters-invalid"') && line.includes('objectName:a8')))
})

test('mount() has a code for each refusal of Entra, with what was presented and what is expected', async (t) => {
  const lab = await startProviderLab(t)
  const { clientId: clientID } = await lab.createReadableVault('shop-vault')
  await lab.azure.setSecret('shop-vault', 'db', 'x')
  const lonely = await lab.azure.createIdentity('lonely')
  const { mount } = await lab.startProvider()
  const good = { keyvaultName: 'shop-vault', clientID, objects: objectsOf(secret('db')) }
  const unknownId = '11111111-2222-3333-4444-555555555555'
  const rows: [
    code: string,
    parameters: Record<string, string>,
    options: Parameters<typeof lab.request>[1],
    texts: string[],
  ][] = [
    ['entra-app-not-found', { clientID: unknownId }, {}, ['AADSTS700016', unknownId]],
    ['entra-tenant-not-found', { tenantID: unknownId }, {}, ['AADSTS90002', unknownId]],
    [
      'entra-subject-mismatch',
      {},
      { subject: 'system:serviceaccount:default:other' },
      ['AADSTS700213', 'subject "system:serviceaccount:default:other"'],
    ],
    [
      'entra-subject-case-mismatch',
      {},
      { subject: 'system:serviceaccount:default:App' },
      ['AADSTS7002138', 'compared with their case'],
    ],
    ['entra-no-federated-credential', { clientID: lonely.clientId }, {}, [`issuer "${lab.issuer.url}"`]],
    ['entra-assertion-expired', {}, { claims: { exp: 1_700_000_000 } }, ['AADSTS700024', 'clock']],
  ]
  for (const [code, change, options, texts] of rows) {
    const { code: grpc, details } = await failureOf(mount(await lab.request({ ...good, ...change }, options)))
    assert.equal(grpc, status.UNAUTHENTICATED, details)
    for (const text of [`[${code}]`, 'ClientAssertionCredential authentication failed', ...texts]) {
      assert.ok(details.includes(text), `${text}\nin ${details}`)
    }
  }
})

test('the error of mount() names the missing role when the vault refuses', async (t) => {
  const lab = await startProviderLab(t)
  await lab.createReadableVault('shop-vault')
  const stranger = await lab.azure.createIdentity('stranger')
  await lab.azure.federate(stranger, { issuer: lab.issuer.url, subject: appSubject })
  await lab.azure.setSecret('shop-vault', 'db', 'x')
  const { mount } = await lab.startProvider()
  const request = await lab.request({
    keyvaultName: 'shop-vault',
    clientID: stranger.clientId,
    objects: objectsOf(secret('db')),
  })
  const { code, details } = await failureOf(mount(request))
  assert.equal(code, status.PERMISSION_DENIED)
  assert.match(details, /\[vault-forbidden\].*role "Key Vault Secrets User".*Forbidden\/ForbiddenByRbac/)
})

test('mount() has a code each for a vault that is down, throttles or does not exist', async (t) => {
  const lab = await startProviderLab(t)
  const { clientId: clientID } = await lab.createReadableVault('shop-vault')
  await lab.azure.setSecret('shop-vault', 'db', 'x')
  const { mount } = await lab.startProvider({ http: { ...lab.http, timeoutMs: 1000 } })
  const request = (keyvaultName: string) => lab.request({ keyvaultName, clientID, objects: objectsOf(secret('db')) })

  const unknown = await failureOf(mount(await request('no-such-vault')))
  assert.equal(unknown.code, status.UNAVAILABLE)
  assert.match(unknown.details, /\[vault-missing\].*no-such-vault/)

  await lab.azure.control('PUT', '/faults/shop-vault.vault.azure.net', { kind: 'throttle', retryAfterSeconds: 90 })
  const throttled = await failureOf(mount(await request('shop-vault')))
  assert.equal(throttled.code, status.RESOURCE_EXHAUSTED)
  assert.match(throttled.details, /\[vault-throttled\]/)
  await lab.takeCounts()
  const leftAlone = await failureOf(mount(await request('shop-vault')))
  assert.match(leftAlone.details, /\[vault-throttled\].*asked for fewer requests, for another \d+ s/)
  assert.equal((await lab.takeCounts())['vault.secret.get'], undefined)
})

test('a mount succeeds by itself when the vault is back within its patience', async (t) => {
  const lab = await startProviderLab(t)
  const { clientId: clientID } = await lab.createReadableVault('shop-vault')
  await lab.azure.setSecret('shop-vault', 'db', 'x')
  const { mount } = await lab.startProvider()
  await lab.azure.control('PUT', '/faults/shop-vault.vault.azure.net', { kind: 'error', status: 503 })
  const mounted = mount(await lab.request({ keyvaultName: 'shop-vault', clientID, objects: objectsOf(secret('db')) }))
  setTimeout(() => void lab.azure.control('DELETE', '/faults/shop-vault.vault.azure.net'), 300)
  assert.equal((await mounted).files.length, 1)
})
