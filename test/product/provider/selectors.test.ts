import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { type Az, azMissing, findAz, signedInAz } from '../../support/az.ts'
import { failureOf } from '../../support/provider.ts'
import { type ProviderLab, startProviderLab } from '../../support/provider-lab.ts'

interface Shop extends ProviderLab {
  /** Paths and contents of the volume of these objects. */
  filesOf(objects: string, more?: Record<string, string>): Promise<Record<string, string>>
  failure(objects: string): Promise<{ code: number; details: string }>
}

/** A vault `shop-vault`, and a provider that shares nothing between two mounts. */
async function startShop(t: TestContext): Promise<Shop> {
  const lab = await startProviderLab(t)
  const { clientId: clientID, principalId } = await lab.createReadableVault('shop-vault')
  const other = await lab.azure.createVault('other-vault')
  await lab.azure.assignRole('Key Vault Secrets User', principalId, other.id)
  const { mount } = await lab.startProvider()
  const send = async (objects: string, more: Record<string, string> = {}) => {
    const request = await lab.request({ keyvaultName: 'shop-vault', clientID, objects, ...more })
    const attributes = { ...JSON.parse(request.attributes ?? ''), 'keymount.dev/max-age-ms': '0' }
    return mount({ ...request, attributes: JSON.stringify(attributes) })
  }
  return {
    ...lab,
    async filesOf(objects, more) {
      const { files } = await send(objects, more)
      return Object.fromEntries(files.map(({ path, contents }) => [path, contents.toString()]))
    },
    failure: async (objects) => {
      const { code, details } = await failureOf(send(objects))
      return { code, details }
    },
  }
}

async function setSecrets(shop: Shop, count: number, prefix = 'app-'): Promise<void> {
  for (let from = 0; from < count; from += 50) {
    const numbers = Array.from({ length: Math.min(50, count - from) }, (_, index) => from + index)
    await Promise.all(
      numbers.map((number) =>
        shop.azure.setSecret('shop-vault', `${prefix}${String(number).padStart(3, '0')}`, `v${number}`),
      ),
    )
  }
}

function put(shop: Shop, name: string, more: object): Promise<unknown> {
  return shop.vault('shop-vault', 'PUT', `/secrets/${name}`, { value: `value of ${name}`, ...more })
}

test('a select takes what fits its pattern, tags and exclude, by name, and no disabled, expired or future objects', async (t) => {
  const shop = await startShop(t)
  const now = Math.floor(Date.now() / 1000)
  await put(shop, 'app-db', { tags: { app: 'shop', tier: 'db' } })
  await put(shop, 'app-cache', { tags: { app: 'shop' } })
  await put(shop, 'app-test', { tags: { app: 'shop', tier: '' } })
  await put(shop, 'app-disabled', { tags: { app: 'shop' }, attributes: { enabled: false } })
  await put(shop, 'app-expired', { attributes: { exp: now - 10 } })
  await put(shop, 'app-future', { attributes: { nbf: now + 1000 } })
  await put(shop, 'web-db', { tags: { app: 'web', tier: 'db' } })
  await shop.azure.setSecret('other-vault', 'app-other', 'of the other vault')
  const names = async (select: string) => Object.keys(await shop.filesOf(`- select: ${select}`))
  assert.deepEqual(await names('{ namePattern: app-.* }'), ['app-cache', 'app-db', 'app-test'])
  assert.deepEqual(await names('{ namePattern: app-.*, exclude: .*-test }'), ['app-cache', 'app-db'])
  assert.deepEqual(await names('{ tags: { app: shop } }'), ['app-cache', 'app-db', 'app-test'])
  assert.deepEqual(await names('{ tags: { app: shop, tier: "*" } }'), ['app-db', 'app-test'])
  assert.deepEqual(await names('{ tags: { tier: db }, namePattern: web-.* }'), ['web-db'])
  assert.deepEqual(await names('{ all: true, exclude: app-.* }'), ['web-db'])
  assert.deepEqual(await shop.filesOf('- { select: { namePattern: app-.* }, vault: other-vault }'), {
    'app-other': 'of the other vault',
  })
})

test('a select names its files by a template and a prefix, and takes the fields of one object', async (t) => {
  const shop = await startShop(t)
  await put(shop, 'app-db', { tags: { folder: 'databases' } })
  await shop.azure.setSecret('shop-vault', 'json-a', '{"user":"a","list":[1]}')
  await shop.azure.setSecret('shop-vault', 'hex-a', '6869')
  const named = '- { select: { namePattern: app-.* }, fileName: "{tag:folder}/{name}.txt", stripPrefix: app- }'
  assert.deepEqual(await shop.filesOf(named), { 'databases/db.txt': 'value of app-db' })
  assert.deepEqual(await shop.filesOf('- { select: { namePattern: json-.* }, jsonPath: $.user }'), { 'json-a': 'a' })
  const parts =
    '- { select: { namePattern: json-.* }, jsonPath: [{ path: $.user }, { path: "$.list", objectAlias: l }] }'
  assert.deepEqual(await shop.filesOf(parts), { 'json-a/user': 'a', 'json-a/l': '[1]' })
  assert.deepEqual(await shop.filesOf('- { select: { namePattern: hex-.* }, objectEncoding: hex }'), { 'hex-a': 'hi' })
})

test('0, 1, 25, 26, 500 and 501 objects: all are in the volume, as az lists them, and more than the limit is an error with the number', async (t) => {
  const shop = await startShop(t)
  const program = findAz()
  if (program === undefined) t.diagnostic(`not compared with az: ${azMissing}`)
  const az = program === undefined ? undefined : await signedInAz(t, program, shop.azure)
  const all = '- { select: { all: true }, limit: 500, optional: true }'
  assert.deepEqual(await shop.filesOf(all), {})
  assert.match((await shop.failure('- select: { all: true }')).details, /^\[?.*\[select-nothing-found\]/)
  for (const count of [1, 25, 26, 500]) {
    await setSecrets(shop, count)
    const files = await shop.filesOf(all)
    assert.equal(Object.keys(files).length, count)
    if (az !== undefined) assert.deepEqual(Object.keys(files), await listedByAz(az))
    assert.equal(files['app-000'], 'v0')
  }
  const { details: beyondDefault } = await shop.failure('- select: { all: true }')
  assert.match(
    beyondDefault,
    /\[select-too-many\] objects\[0\]\.select: 500 secrets of vault "shop-vault" fit, more than the limit of 100/,
  )
  await setSecrets(shop, 501)
  const { code, details } = await shop.failure(all)
  assert.equal(code, status.FAILED_PRECONDITION)
  assert.match(details, /501 secrets of vault "shop-vault" fit, more than the limit of 500; select fewer/)
})

async function listedByAz(az: Az): Promise<string[]> {
  const {
    status: end,
    stdout,
    stderr,
  } = await az.run(['keyvault', 'secret', 'list', '--vault-name', 'shop-vault', '-o', 'json'])
  assert.equal(end, 0, stderr)
  return (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name).toSorted()
}

test('objects that come, go or are disabled appear and disappear at the next check', async (t) => {
  const shop = await startShop(t)
  await setSecrets(shop, 2)
  const objects = '- select: { namePattern: app-.* }'
  assert.deepEqual(Object.keys(await shop.filesOf(objects)), ['app-000', 'app-001'])
  await shop.azure.setSecret('shop-vault', 'app-new', 'new')
  await shop.vault('shop-vault', 'DELETE', '/secrets/app-000')
  await shop.vault('shop-vault', 'PUT', '/secrets/app-001', { value: 'x', attributes: { enabled: false } })
  assert.deepEqual(await shop.filesOf(objects), { 'app-new': 'new' })
})

test('the secret of a certificate is not selected as a secret, and its certificate is as a cert', async (t) => {
  const shop = await startShop(t)
  const { principalId, clientId: clientID } = await shop.azure.createIdentity('cert-reader')
  assert.ok(principalId !== '' && clientID !== '')
  await shop.azure.setSecret('shop-vault', 'plain', 'p')
  await shop.vault('shop-vault', 'POST', '/certificates/tls/create', {
    policy: {
      issuer: { name: 'Self' },
      x509_props: { subject: 'CN=shop' },
      key_props: { exportable: true, kty: 'RSA', key_size: 2048 },
      secret_props: { contentType: 'application/x-pem-file' },
    },
  })
  assert.deepEqual(Object.keys(await shop.filesOf('- select: { all: true }')), ['plain'])
  const { details } = await shop.failure('- select: { type: cert, all: true }')
  assert.match(details, /\[vault-forbidden\] failed to list certificates for objects\[0\]\.select/)
  assert.match(
    details,
    /grant the role "Key Vault Certificate User" on the vault, or the access policy permission "list" on certificates/,
  )
})

const faults: readonly [what: string, objects: string, words: RegExp][] = [
  [
    'a tag that an object lacks',
    '- { select: { all: true }, fileName: "{tag:nope}" }',
    /\[select-file-name\].*secret "app-000": it has no tag "nope"/,
  ],
  [
    'a path that leaves the volume',
    '- { select: { all: true }, fileName: "{tag:bad}" }',
    /\[select-file-name\].*file name must not contain '\.\.'/,
  ],
  [
    'two objects in one file',
    '- { select: { all: true }, fileName: "{tag:same}" }',
    /\[select-file-name\].*"x" is the file of secret "app-000" and of secret "app-001"/,
  ],
  [
    'the file of another entry',
    '- { objectName: app-000, objectType: secret, objectAlias: app-001 }\n- select: { namePattern: app-001 }',
    /\[select-file-name\].*"app-001" is the file of/,
  ],
  [
    'a pattern of the start of names',
    '- select: { namePattern: app }',
    /\[select-nothing-found\].*none of the 2 secrets.*whole name/,
  ],
  [
    'two ways at once',
    '- select: { all: true, namePattern: app-.* }',
    /\[parameters-invalid\].*all: true takes every object/,
  ],
  ['none', '- select: { exclude: app-.* }', /\[parameters-invalid\].*expected namePattern or tags, or all: true/],
  ['a pattern that is not one', '- select: { namePattern: "(a)\\\\1" }', /\[parameters-invalid\].*back-references/],
  [
    'a field of one object',
    '- { select: { all: true }, objectVersion: x }',
    /\[parameters-invalid\].*objectVersion cannot be set with select/,
  ],
  [
    'a limit beyond 500',
    '- { select: { all: true }, limit: 501 }',
    /\[parameters-invalid\].*expected a number from 1 to 500/,
  ],
  [
    'a file name that is one for all',
    '- { select: { all: true }, fileName: all }',
    /\[parameters-invalid\].*needs \{name\} or \{tag:KEY\}/,
  ],
]

test('what is wrong with a select has a code, the entry and what would be right', async (t) => {
  const shop = await startShop(t)
  for (const name of ['app-000', 'app-001']) await put(shop, name, { tags: { bad: `../${name}`, same: 'x' } })
  for (const [what, objects, words] of faults) {
    const { details } = await shop.failure(objects)
    assert.match(details, words, what)
  }
})
