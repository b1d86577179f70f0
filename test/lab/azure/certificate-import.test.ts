import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { createAuthority, issueCertificate } from '#lib/formats'
import { startLocalAzure } from '../../support/local-azure.ts'
import { createOpenssl, type Openssl } from '../../support/openssl.ts'

const pemType = 'application/x-pem-file'

/** A vault, and a function that imports a certificate into it with whatever body is given. */
async function importer(t: TestContext) {
  const azure = await startLocalAzure(t)
  await azure.createVault('shop', { rbac: false })
  const headers = {
    authorization: `Bearer ${await azure.token('https://vault.azure.net')}`,
    'content-type': 'application/json',
  }
  const send = async (method: 'GET' | 'POST', path: string, body?: object) => {
    const url = new URL(`https://shop.vault.azure.net/${path}?api-version=7.4`)
    const answer = await azure.send({ method, url, headers, body: body && JSON.stringify(body) })
    return { status: answer.status, body: JSON.parse(answer.body.toString('utf8')) }
  }
  const importBody = (body: object) => send('POST', 'certificates/web/import', body)
  return {
    importBody,
    importPem: (value: string) => importBody({ value, policy: { secret_props: { contentType: pemType } } }),
    importPfx: (pfx: Buffer, more: object = {}) => importBody({ value: pfx.toString('base64'), pwd: '', ...more }),
    secret: async () => (await send('GET', 'secrets/web')).body,
    key: async () => (await send('GET', 'keys/web')).body.key,
  }
}

interface Files {
  /** PKCS#8. */
  key: string
  certificate: string
  pfx: Buffer
}

/** A self-signed certificate on a new key of this kind. */
function filesOf(openssl: Openssl, newKey: readonly string[], extra: readonly string[] = ['-days', '40']): Files {
  const files = ['-keyout', 'k.pem', '-out', 'c.pem']
  openssl.run(['req', '-x509', '-nodes', '-newkey', ...newKey, '-subj', '/CN=web', ...files, ...extra])
  openssl.run(['pkcs12', '-export', '-in', 'c.pem', '-inkey', 'k.pem', '-out', 'b.pfx', '-passout', 'pass:'])
  const read = (name: string) => readFileSync(openssl.path(name))
  return { key: String(read('k.pem')), certificate: String(read('c.pem')), pfx: read('b.pfx') }
}

const ec = (curve: string) => ['ec', '-pkeyopt', `ec_paramgen_curve:${curve}`]
const error = (message: string | RegExp, innerCode?: string) => ({ message, innerCode })

function refusedWith(
  answer: { status: number; body: { error: Record<string, unknown> } },
  expected: ReturnType<typeof error>,
) {
  assert.equal(answer.status, 400, JSON.stringify(answer.body))
  assert.equal(answer.body.error.code, 'BadParameter')
  assert.deepEqual(answer.body.error.innererror, expected.innerCode && { code: expected.innerCode })
  if (typeof expected.message === 'string') assert.equal(answer.body.error.message, expected.message)
  else assert.match(String(answer.body.error.message), expected.message)
}

const unsupported: [kind: string, newKey: string[], expected: ReturnType<typeof error>][] = [
  ['Ed25519', ['ed25519'], error(/^Ed25519 Public Key Algorithm of the x509 certificate .* is not supported\.$/)],
  ['Ed448', ['ed448'], error(/^Ed448 Public Key Algorithm of the x509 certificate .* is not supported\.$/)],
  [
    'RSA-PSS',
    ['rsa-pss', '-pkeyopt', 'rsa_keygen_bits:2048'],
    error(/^RSA-PSS Public Key Algorithm .* not supported\.$/),
  ],
  ['brainpool', ec('brainpoolP256r1'), error(/curve .*brainpoolP256r1.* not supported/, 'KeyCurveNotSupported')],
  ['P-224', ec('secp224r1'), error(/curve .*secp224r1.* not supported/, 'KeyCurveNotSupported')],
  [
    'RSA of 1024 bits',
    ['rsa:1024'],
    error('Unsupported key size (1024). Supported sizes are [2048, 3072, 4096]', 'KeySizeNotSupported'),
  ],
]

for (const [kind, newKey, expected] of unsupported) {
  test(`a certificate with a key of ${kind} is refused, as PEM and as PFX`, async (t) => {
    const { importPem, importPfx } = await importer(t)
    const { key, certificate, pfx } = filesOf(createOpenssl(t), newKey)
    refusedWith(await importPem(key + certificate), expected)
    refusedWith(await importPfx(pfx), expected)
  })
}

const supported: [kind: string, newKey: string[], expected: object][] = [
  ['RSA of 3072 bits', ['rsa:3072'], { kty: 'RSA', key_size: 3072 }],
  ['P-256', ec('prime256v1'), { kty: 'EC', crv: 'P-256', key_size: 256 }],
  ['P-256K', ec('secp256k1'), { kty: 'EC', crv: 'P-256K', key_size: 256 }],
  ['P-384', ec('secp384r1'), { kty: 'EC', crv: 'P-384', key_size: 384 }],
  ['P-521', ec('secp521r1'), { kty: 'EC', crv: 'P-521', key_size: 521 }],
]

for (const [kind, newKey, expected] of supported) {
  test(`a certificate with a key of ${kind} is imported as PEM and as PFX, and its secret holds the same key`, async (t) => {
    const { importPem, importPfx, secret } = await importer(t)
    const openssl = createOpenssl(t)
    const { key, certificate, pfx } = filesOf(openssl, newKey)
    const publicKey = (pem: string) => openssl.run(['pkey', '-pubout'], pem).toString()

    const fromPem = await importPem(key + certificate)
    assert.equal(fromPem.status, 200, JSON.stringify(fromPem.body))
    assert.deepEqual(fromPem.body.policy.key_props, { ...expected, exportable: true, reuse_key: false })
    assert.equal(publicKey((await secret()).value), publicKey(key))

    const fromPfx = await importPfx(pfx)
    assert.equal(fromPfx.status, 200, JSON.stringify(fromPfx.body))
    assert.deepEqual(fromPfx.body.policy.key_props, { ...expected, exportable: true, reuse_key: false })
    const stored = Buffer.from((await secret()).value, 'base64')
    const read = openssl.run(['pkcs12', '-passin', 'pass:', '-nodes', '-nocerts'], stored).toString()
    assert.equal(publicKey(read.slice(read.indexOf('-----BEGIN'))), publicKey(key))
  })
}

const unexpectedFormat =
  'The specified PEM X.509 certificate content is in an unexpected format. Please check if certificate is in valid PEM format.'

test('PEM keys that are not PKCS#8, and lines that end with CR LF, are an unexpected format', async (t) => {
  const { importPem } = await importer(t)
  const openssl = createOpenssl(t)
  const rsa = filesOf(openssl, ['rsa:2048'])
  refusedWith(
    await importPem(String(openssl.run(['rsa', '-traditional'], rsa.key)) + rsa.certificate),
    error(unexpectedFormat),
  )
  refusedWith(await importPem((rsa.key + rsa.certificate).replaceAll('\n', '\r\n')), error(unexpectedFormat))
  const p256 = filesOf(openssl, ec('prime256v1'))
  refusedWith(await importPem(String(openssl.run(['ec'], p256.key)) + p256.certificate), error(unexpectedFormat))
})

test('a PEM file needs a private key, and each error names what is missing', async (t) => {
  const { importPem } = await importer(t)
  const openssl = createOpenssl(t)
  const { key, certificate } = filesOf(openssl, ['rsa:2048'])
  const other = filesOf(openssl, ['rsa:2048'])
  refusedWith(
    await importPem(certificate),
    error(
      'Private key is not specified in the specified X.509 PEM certificate content. Please specify private key in the X.509 PEM certificate content.',
    ),
  )
  const unreadable =
    /^The specified PEM X\.509 certificate content can not be read\. Please check if certificate is in valid PEM format\./
  refusedWith(await importPem(key), error(unreadable))
  refusedWith(await importPem('not a certificate'), error(unreadable))
  refusedWith(await importPem(key + certificate.replace(/MII/, 'AAA')), error(unreadable))
  refusedWith(await importPem(key + other.certificate), error(/no certificate that belongs to its private key/))
})

test('the content type of the policy must be that of the file; without one the file decides', async (t) => {
  const { importBody, importPem, importPfx } = await importer(t)
  const { key, certificate, pfx } = filesOf(createOpenssl(t), ['rsa:2048'])
  const notPfx = error(
    'The specified PKCS#12 X.509 certificate content can not be read. Please check if certificate is in valid PKCS#12 format.',
  )
  const pfxPolicy = { secret_props: { contentType: 'application/x-pkcs12' } }
  refusedWith(await importBody({ value: key + certificate, policy: pfxPolicy }), notPfx)
  refusedWith(
    await importPem(pfx.toString('base64')),
    error(/^The specified PEM X\.509 certificate content can not be read/),
  )
  const base64 = Buffer.from(key + certificate).toString('base64')
  assert.equal((await importPem(base64)).status, 200)
  const { status, body } = await importBody({ value: base64 })
  assert.deepEqual([status, body.policy.secret_props.contentType], [200, pemType])
  assert.equal((await importPfx(pfx)).status, 200)
})

test('an encrypted PEM key is imported with its password only, and a PFX too', async (t) => {
  const { importBody, importPfx, key: importedKey } = await importer(t)
  const openssl = createOpenssl(t)
  const { key, certificate } = filesOf(openssl, ['rsa:2048'])
  const encrypted = String(openssl.run(['pkcs8', '-topk8', '-passout', 'pass:sesame'], key))
  const policy = { secret_props: { contentType: pemType } }
  const body = { value: encrypted + certificate, policy }
  refusedWith(await importBody(body), error(/can not be read/))
  refusedWith(await importBody({ ...body, pwd: 'wrong' }), error(/can not be read/))
  assert.equal((await importBody({ ...body, pwd: 'sesame' })).status, 200)
  assert.equal((await importedKey()).kty, 'RSA')
  const pfx = openssl.pfx({ key, certificates: [certificate], args: ['-passout', 'pass:sesame'] })
  refusedWith(await importPfx(pfx), error(/PKCS#12 X\.509 certificate content can not be read/))
  assert.equal((await importPfx(pfx, { pwd: 'sesame' })).status, 200)
})

test('an expired PFX, an RSA key with an EC signature, and names and passwords that are too long are refused', async (t) => {
  const { importPfx, importPem } = await importer(t)
  const openssl = createOpenssl(t)
  const past = { notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') }
  const authority = await createAuthority({ name: 'CN=ca', ...past })
  const expired = await issueCertificate(authority, { subject: 'CN=web', usage: 'server', ...past })
  const key = expired.privateKey.revealText()
  const pfx = openssl.pfx({ key, certificates: [expired.certificate], args: ['-passout', 'pass:'] })
  refusedWith(await importPfx(pfx), error(/expired/))

  const ca = openssl.certificate('ca', { kind: 'ec', ca: true })
  const leaf = openssl.certificate('leaf', { kind: 'rsa', issuer: ca })
  refusedWith(
    await importPem(leaf.key + leaf.certificate + ca.certificate),
    error('Unsupported key size (2048). Supported sizes are [256, 384, 521]', 'KeySizeNotSupported'),
  )
  const long = filesOf(
    openssl,
    ['rsa:2048'],
    [
      '-days',
      '40',
      '-subj',
      `/${Array(4)
        .fill(`OU=${'x'.repeat(60)}`)
        .join('/')}`,
    ],
  )
  refusedWith(await importPem(long.key + long.certificate), error(/200 characters/))
  refusedWith(await importPfx(filesOf(openssl, ['rsa:2048']).pfx, { pwd: 'x'.repeat(201) }), error(/200/))
})
