import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../../support/eventually.ts'
import { startLocalAzure, type TestAzure, testAzure } from '../../support/local-azure.ts'
import { spawnLocalAzure } from '../../support/local-azure-process.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

/** Value and version of a secret, with a token that may be older than the process that answers. */
async function readSecret(azure: TestAzure, path: string, token: string) {
  const { status, body } = await azure.send({
    url: new URL(`${path}?api-version=7.4`, 'https://shop.vault.azure.net'),
    headers: { authorization: `Bearer ${token}` },
  })
  assert.equal(status, 200, body.toString('utf8'))
  return JSON.parse(body.toString('utf8'))
}

async function vaultCall(azure: TestAzure, method: 'GET' | 'PUT' | 'POST' | 'DELETE', path: string, body?: unknown) {
  const authorization = `Bearer ${await azure.token('https://vault.azure.net')}`
  return azure.send({
    method,
    url: new URL(`https://shop.vault.azure.net/${path}?api-version=7.4`),
    headers: { authorization, 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
}

test('everything survives a restart: authority, keys, tokens, resources, roles and all versions', async (t) => {
  const stateDir = temporaryDirectory(t)
  const first = await startLocalAzure(t, { stateDir })
  const vault = await first.createVault('shop')
  const identity = await first.createIdentity('app')
  await first.federate(identity, { issuer: 'https://issuer.example', subject: 's', name: 'kept' })
  const role = await first.assignRole('Key Vault Secrets User', identity.principalId, vault.id)
  const oldVersion = await first.setSecret('shop', 'x', 'one')
  await first.setSecret('shop', 'x', 'two')
  const token = await first.token('https://vault.azure.net')
  const before = await Promise.all([vault.id, identity.id, role].map((id) => first.arm.get(id)))
  const ca = readFileSync(first.caFile, 'utf8')
  await first.stop()

  const second = await startLocalAzure(t, { stateDir })
  assert.equal(readFileSync(second.caFile, 'utf8'), ca)
  assert.deepEqual(second.administrator, first.administrator)
  assert.deepEqual(await Promise.all([vault.id, identity.id, role].map((id) => second.arm.get(id))), before)
  assert.equal((await second.arm.get(`${identity.id}/federatedIdentityCredentials/kept`)).properties.subject, 's')
  assert.equal((await readSecret(second, '/secrets/x', token)).value, 'two')
  assert.equal((await readSecret(second, new URL(oldVersion).pathname, token)).value, 'one')
})

test('every kind of record survives kill -9', async (t) => {
  const stateDir = temporaryDirectory(t)
  const process = await spawnLocalAzure(t, stateDir)
  const first = await testAzure(t, process, stateDir)
  await first.createVault('shop')
  const made: [path: string, method: 'PUT' | 'POST', body: unknown][] = [
    ['secrets/deleted', 'PUT', { value: 'x' }],
    ['keys/signing/create', 'POST', { kty: 'EC' }],
    ['keys/signing/rotationpolicy', 'PUT', { attributes: { expiryTime: 'P90D' }, lifetimeActions: [] }],
    ['certificates/issuers/ca', 'PUT', { provider: 'DigiCert' }],
    ['certificates/contacts', 'PUT', { contacts: [{ email: 'ops@example.com' }] }],
    ['certificates/own/create', 'POST', { policy: { issuer: { name: 'Self' }, x509_props: { subject: 'CN=x' } } }],
    ['certificates/asked/create', 'POST', { policy: { issuer: { name: 'ca' }, x509_props: { subject: 'CN=y' } } }],
  ]
  for (const [path, method, body] of made) assert.ok((await vaultCall(first, method, path, body)).status < 300, path)
  await vaultCall(first, 'DELETE', 'secrets/deleted')
  const { body: application } = await first.graph('POST', '/applications', { displayName: 'tool' })
  await first.graph('POST', `/applications/${application.id}/addPassword`, {})
  await first.graph('POST', '/servicePrincipals', { appId: application.appId })
  const look = async (azure: TestAzure) => [
    ...(await Promise.all(
      [
        'deletedsecrets/deleted',
        'keys/signing',
        'keys/signing/rotationpolicy',
        'certificates/issuers/ca',
        'certificates/contacts',
        'certificates/own',
        'certificates/own/pending',
        'certificates/asked',
        'certificates/asked/pending',
        'secrets/own',
      ].map(async (path) => (await vaultCall(azure, 'GET', path)).body.toString('utf8')),
    )),
    (await azure.graph('GET', `/applications/${application.id}`)).body,
    (await azure.graph('GET', `/servicePrincipals?$filter=appId%20eq%20'${application.appId}'`)).body,
    await azure.arm.get(`/subscriptions/${azure.administrator.subscriptionId}/resources`),
  ]
  const before = await look(first)
  assert.ok(!JSON.stringify(before).includes('NotFound'))
  await process.kill()
  assert.deepEqual(await look(await testAzure(t, await spawnLocalAzure(t, stateDir), stateDir)), before)
})

test('acknowledged writes survive kill -9 at any time', async (t) => {
  const stateDir = temporaryDirectory(t)
  const acknowledged: string[] = []
  for (let round = 0; round < 2; round++) {
    const process = await spawnLocalAzure(t, stateDir)
    const azure = await testAzure(t, process, stateDir)
    if (round === 0) await azure.createVault('shop')
    const token = await azure.token('https://vault.azure.net')
    for (const id of acknowledged) assert.equal((await readSecret(azure, new URL(id).pathname, token)).id, id)
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let i = 0; ; i++) acknowledged.push(await azure.setSecret('shop', `w${writer}`, `${round}-${i}`))
    })
    const ended = Promise.allSettled(writers)
    await eventually(() => assert.ok(acknowledged.length >= (round + 1) * 25))
    await process.kill()
    await ended
  }
  assert.ok(acknowledged.length >= 50)
})

test('a second process on the same state is refused, and the first continues', async (t) => {
  const stateDir = temporaryDirectory(t)
  const first = await startLocalAzure(t, { stateDir })
  await assert.rejects(spawnLocalAzure(t, stateDir), /control\.sock: another process answers on this socket/)
  await first.createVault('shop')
})

test('a port in use is named, with the flag that changes it', async (t) => {
  const first = await startLocalAzure(t)
  const port = new URL(first.proxyUrl).port
  await assert.rejects(
    spawnLocalAzure(t, temporaryDirectory(t), ['--port', port]),
    new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}: it is in use; give another --port`),
  )
})

test('a corrupt state is refused with file and line, and not changed', async (t) => {
  const stateDir = temporaryDirectory(t)
  await (await startLocalAzure(t, { stateDir })).stop()
  const file = join(stateDir, 'state.jsonl')
  const intact = readFileSync(file, 'utf8')
  for (const [damage, text] of [
    ['broken\n', /state\.jsonl is corrupt at line \d+: not JSON/],
    ['{"a":1}\n', /state\.jsonl is corrupt at line \d+: not a list of changes/],
  ] as const) {
    writeFileSync(file, `${intact}${damage}${intact}`)
    await assert.rejects(startLocalAzure(t, { stateDir }), text)
    assert.equal(readFileSync(file, 'utf8'), `${intact}${damage}${intact}`)
  }
  writeFileSync(file, intact.replace('{"format":1}', '{"format":99}'))
  await assert.rejects(startLocalAzure(t, { stateDir }), /has format 99, this version reads format 1/)
})

test('an incomplete last line is dropped', async (t) => {
  const stateDir = temporaryDirectory(t)
  const first = await startLocalAzure(t, { stateDir })
  const vault = await first.createVault('shop')
  await first.stop()
  appendFileSync(join(stateDir, 'state.jsonl'), '[["vaults","shop"')
  const second = await startLocalAzure(t, { stateDir })
  assert.equal((await second.arm.get(vault.id)).name, 'shop')
})

test('a damaged certificate authority is named', async (t) => {
  const stateDir = temporaryDirectory(t)
  await (await startLocalAzure(t, { stateDir })).stop()
  const other = temporaryDirectory(t)
  await (await startLocalAzure(t, { stateDir: other })).stop()
  writeFileSync(join(stateDir, 'ca-key.pem'), readFileSync(join(other, 'ca-key.pem')))
  await assert.rejects(
    startLocalAzure(t, { stateDir }),
    /ca\.pem and .*ca-key\.pem: the key does not belong to the certificate/,
  )
})

test('secret files of the state are readable by their owner only', async (t) => {
  const stateDir = temporaryDirectory(t)
  const azure = await startLocalAzure(t, { stateDir })
  await azure.stop()
  const modes = Object.fromEntries(
    readdirSync(stateDir).map((name) => [name, statSync(join(stateDir, name)).mode & 0o777]),
  )
  assert.deepEqual(modes, { 'ca-key.pem': 0o600, 'ca.pem': 0o644, 'credentials.json': 0o600, 'state.jsonl': 0o600 })
})

test('the credentials file is written again when it was removed', async (t) => {
  const stateDir = temporaryDirectory(t)
  const first = await startLocalAzure(t, { stateDir })
  await first.stop()
  rmSync(first.credentialsFile)
  assert.deepEqual((await startLocalAzure(t, { stateDir })).administrator, first.administrator)
})

test('all bad flags are reported at once', async (t) => {
  await assert.rejects(
    spawnLocalAzure(t, '', ['--port', '70000', '--delay', 'soon', '--statee', 'x']),
    /ended with 2: local-azure: .*--delay: found "soon", expected a duration.*--statee: unknown flag \(did you mean --state\?\)/,
  )
  await assert.rejects(
    spawnLocalAzure(t, '', ['--port', '70000']),
    /ended with 2: local-azure: --port: found "70000", expected a port from 0 to 65535; --state: missing: a directory/,
  )
})

test('a full disk fails the request, loses nothing, and writing works again with space', {
  skip: process.getuid?.() !== 0 && 'mounting a small disk needs root',
}, async (t) => {
  const stateDir = temporaryDirectory(t)
  t.after(() => void spawnSync('umount', ['-l', stateDir]))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', stateDir])
  if (mounted.status !== 0) return t.skip('this machine does not let us mount')
  const azure = await startLocalAzure(t, { stateDir })
  await azure.createVault('shop')
  const acknowledged: string[] = []
  await assert.rejects(async () => {
    for (let i = 0; i < 100; i++) acknowledged.push(await azure.setSecret('shop', `s${i}`, 'x'.repeat(20_000)))
  }, /507.*Cannot write the state file .*ENOSPC/)
  const token = await azure.token('https://vault.azure.net')
  for (const id of acknowledged) await readSecret(azure, new URL(id).pathname, token)
  spawnSync('mount', ['-o', 'remount,size=1m', stateDir])
  acknowledged.push(await azure.setSecret('shop', 'after', 'value'))
  await azure.stop()
  const again = await startLocalAzure(t, { stateDir })
  for (const id of acknowledged) await readSecret(again, new URL(id).pathname, token)
})
