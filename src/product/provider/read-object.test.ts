import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { ObjectSpec } from '#azure/class'
import { type ObjectVersionInfo, vaultAddress } from '#azure/keyvault'
import { SecretValue } from '#lib'
import { decodePem } from '#lib/formats'
import { inlineTasks } from '#lib/worker'
import { createOpenssl } from '../../../test/support/openssl.ts'
import { createByteBudget } from './byte-budget.ts'
import { type ReadObjectOptions, readObject } from './read-object.ts'
import type { VaultReader } from './vault-reader.ts'

const none: VaultReader = {
  secret: () => Promise.reject(new Error('not a secret')),
  key: () => Promise.reject(new Error('not a key')),
  certificate: () => Promise.reject(new Error('not a certificate')),
  versions: () => Promise.reject(new Error('no versions')),
  list: () => Promise.reject(new Error('no list')),
}

function specOf(change: Partial<ObjectSpec>): ObjectSpec {
  const plain = {
    path: 'objects[0]',
    type: 'secret',
    name: 'tls',
    version: '',
    history: 1,
    fileName: 'tls',
    format: 'pem',
    encoding: 'utf-8',
    mode: undefined,
    vaultName: undefined,
    optional: false,
    extracts: [],
    onlyTemplates: false,
    selected: false,
  } as const
  return { ...plain, ...change }
}

async function read(
  reader: Partial<VaultReader>,
  change: Partial<ObjectSpec>,
  options: Partial<ReadObjectOptions> = {},
) {
  const files = await readObject(specOf(change), {
    reader: { ...none, ...reader },
    vault: vaultAddress('shop', 'vault.azure.net'),
    defaultMode: 0o644,
    constructPemChain: true,
    separateFiles: false,
    owner: 'default',
    tasks: inlineTasks(),
    bytes: createByteBudget().open('default'),
    onRemark: () => {},
    onAttributes: () => {},
    ...options,
  })
  return files.map(({ path, mode, contents, objectId, version }) => ({
    path,
    mode,
    objectId,
    version,
    text: contents.revealText(),
    bytes: contents.reveal(),
  }))
}

const secretOf = (value: string, contentType?: string): Partial<VaultReader> => ({
  secret: async (_, __, version) => ({
    value: SecretValue.of(value),
    version: version || 'v1',
    contentType,
    ofCertificate: contentType !== undefined,
    attributes: {},
  }),
})

test('a key is given as its public half, from hardware or not', async () => {
  for (const [kty, pair] of [
    ['RSA', generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['EC', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['EC', generateKeyPairSync('ec', { namedCurve: 'P-384' })],
    ['EC', generateKeyPairSync('ec', { namedCurve: 'P-521' })],
  ] as const) {
    const expected = pair.publicKey.export({ format: 'pem', type: 'spki' })
    for (const type of [kty, `${kty}-HSM`]) {
      const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kty: type } as Record<string, string>
      const [file] = await read({ key: async () => ({ jwk, version: 'v', attributes: {} }) }, { type: 'key' })
      assert.equal(file?.text, expected)
      assert.equal(file?.objectId, 'key/tls')
      assert.ok(createPublicKey(file?.text ?? ''))
    }
  }
})

test('a key that has no public half is refused in the words of upstream', async () => {
  for (const [jwk, words] of [
    [{ kty: 'oct' }, /failed to get key. key type 'oct' currently not supported/],
    [{}, /failed to get key. key type '' currently not supported/],
    [{ kty: 'EC', crv: 'P-256K' }, /curve P-256K is not supported/],
    [{ kty: 'EC' }, /curve {2}is not supported/],
    [{ kty: 'RSA', n: '!', e: '' }, /./],
  ] as const) {
    await assert.rejects(
      read({ key: async () => ({ jwk, version: 'v', attributes: {} }) }, { type: 'key' }),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'object-content-unusable')
        assert.match(error.message, words)
        return true
      },
    )
  }
})

test('a certificate is given as its leaf, and nothing else', async (t) => {
  const { certificate } = createOpenssl(t).certificate('app', { kind: 'ec' })
  const der = decodePem(certificate)[0]?.der ?? Buffer.alloc(0)
  const [file] = await read(
    { certificate: async () => ({ der, version: 'v', attributes: {} }) },
    { type: 'cert', mode: 0o400 },
  )
  assert.deepEqual([file?.text, file?.mode, file?.objectId], [certificate, 0o400, 'cert/tls'])
})

test('the secret of a certificate gives key and chain, PFX where asked, and separate files where configured', async (t) => {
  const openssl = createOpenssl(t)
  const root = openssl.certificate('root', { kind: 'ec', ca: true })
  const middle = openssl.certificate('middle', { kind: 'ec', ca: true, issuer: root })
  const { key, certificate } = openssl.certificate('app', { kind: 'ec', issuer: middle })
  const chain = certificate + middle.certificate + root.certificate
  const pfx = openssl.pfx({
    key,
    certificates: [certificate, root.certificate, middle.certificate],
    args: ['-legacy', '-passout', 'pass:'],
  })
  const reader = secretOf(pfx.toString('base64'), 'application/x-pkcs12')

  const [combined] = await read(reader, {})
  assert.equal(combined?.text, key + chain)
  const separate = await read(reader, { fileName: 'tls.pem', mode: 0o440 }, { separateFiles: true })
  assert.deepEqual(
    separate.map(({ path, mode, text }) => [path, mode, text]),
    [
      ['tls.pem.crt', 0o440, chain],
      ['tls.pem.key', 0o440, key],
      ['tls.pem', 0o440, key + chain],
    ],
  )
  assert.equal(new Set(separate.map(({ objectId, version }) => `${objectId}@${version}`)).size, 1)

  const [text] = await read(reader, { format: 'pfx' })
  assert.equal(text?.text, pfx.toString('base64'))
  const binary = await read(reader, { format: 'pfx', encoding: 'base64' }, { separateFiles: true })
  assert.deepEqual(
    binary.map(({ path, bytes }) => [path, bytes.length]),
    [
      ['tls.crt', 0],
      ['tls.key', 0],
      ['tls', pfx.length],
    ],
  )
  writeFileSync(openssl.path('read-back.pfx'), binary[2]?.bytes ?? '')
  const readBack = openssl.run(['pkcs12', '-in', 'read-back.pfx', '-legacy', '-nokeys', '-clcerts', '-passin', 'pass:'])
  assert.ok(readBack.toString('utf8').includes(certificate))

  let incomplete = 0
  const [asStored] = await read(reader, {}, { constructPemChain: false })
  assert.equal(asStored?.text, key + certificate + root.certificate + middle.certificate)
  const stranger = openssl.certificate('stranger', { kind: 'ec' })
  const odd = openssl.pfx({
    key,
    certificates: [stranger.certificate, certificate],
    args: ['-legacy', '-passout', 'pass:'],
  })
  await read(secretOf(odd.toString('base64'), 'application/x-pkcs12'), {}, { onRemark: () => incomplete++ })
  assert.equal(incomplete, 1)
})

test('a PFX that was uploaded as a plain secret stays the text that it is', async () => {
  const reader: Partial<VaultReader> = {
    secret: async () => ({
      value: SecretValue.of('AAAA'),
      version: 'v',
      contentType: 'application/x-pkcs12',
      ofCertificate: false,
      attributes: {},
    }),
  }
  assert.equal((await read(reader, {}))[0]?.text, 'AAAA')
})

test('values that do not decode are refused without being quoted', async () => {
  for (const [value, encoding, words] of [
    ['planted!', 'base64', /illegal base64 data at input byte 7/],
    ['YWJj=', 'base64', /illegal base64 data at input byte/],
    ['YWI', 'base64', /illegal base64 data at input byte 3/],
    ['abc', 'hex', /encoding\/hex: odd length hex string/],
    ['planted', 'hex', /encoding\/hex: invalid byte at position 0/],
  ] as const) {
    await assert.rejects(read(secretOf(value), { encoding }), (error: Error) => {
      assert.match(error.message, words)
      assert.doesNotMatch(error.message, /planted/)
      return true
    })
  }
  const decoded = await Promise.all([
    read(secretOf('QmFzZTY0RW5jb2RlZFN0cmluZw=='), { encoding: 'base64' }),
    read(secretOf('QmFz\r\nZTY0'), { encoding: 'base64' }),
    read(secretOf('486578456E636F646564537472696E67'), { encoding: 'hex' }),
    read(secretOf(''), { encoding: 'base64' }),
  ])
  assert.deepEqual(
    decoded.map(([file]) => file?.text),
    ['Base64EncodedString', 'Base64', 'HexEncodedString', ''],
  )
})

const version = (name: string, created: number, enabled = true): ObjectVersionInfo => ({
  version: name,
  created,
  enabled,
})
const five = [version('c', 3), version('a', 1), version('e', 5), version('d', 4), version('b', 2)]

test('version history gives the newest N enabled versions in folders, and never one more', async () => {
  const rows: [Partial<ObjectSpec>, ObjectVersionInfo[], string[]][] = [
    [{ history: 5 }, five, ['e', 'd', 'c', 'b', 'a']],
    [{ history: 2 }, five, ['e', 'd']],
    [{ history: 200 }, five.slice(0, 2), ['c', 'a']],
    [{ history: 5, version: 'c' }, five, ['c', 'b', 'a']],
    [{ history: 3 }, [version('x', 9, false), ...five], ['e', 'd', 'c']],
    [{ history: 2 }, [version('same2', 7), version('same1', 7)], ['same1', 'same2']],
  ]
  for (const [change, versions, expected] of rows) {
    const files = await read({ ...secretOf('v'), versions: async () => versions }, change)
    assert.deepEqual(
      files.map(({ path, objectId, version: found }) => [path, objectId, found]),
      expected.map((name, index) => [`tls/${index}`, `secret/tls/${index}`, name]),
    )
  }
})

test('version history refuses a version that is not there, and an object without any', async () => {
  for (const [change, versions] of [
    [{ history: 2, version: 'z' }, five],
    [{ history: 2, version: 'x' }, [version('x', 9, false)]],
    [{ history: 2 }, []],
  ] as const) {
    await assert.rejects(read({ ...secretOf('v'), versions: async () => versions }, change), {
      code: 'object-version-missing',
    })
  }
})
