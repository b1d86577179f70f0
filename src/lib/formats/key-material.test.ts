import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { test } from 'node:test'
import { createOpenssl } from '../../../test/support/openssl.ts'
import { readKeyMaterial } from './key-material.ts'
import { encodePem } from './pem.ts'
import { readPkcs12 } from './pkcs12.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

for (const kind of ['rsa', 'ec'] as const) {
  test(`readKeyMaterial() gives the same ${kind} key and chain from PEM and from PFX`, async (t) => {
    const openssl = createOpenssl(t)
    const root = openssl.certificate('root', { kind, ca: true })
    const leaf = openssl.certificate('leaf', { kind, issuer: root })
    const pem = await readKeyMaterial({ contents: bytes(root.certificate + leaf.key + leaf.certificate) })
    const pfx = openssl.pfx({
      key: leaf.key,
      certificates: [root.certificate, leaf.certificate],
      args: ['-passout', 'pass:'],
    })
    assert.deepEqual({ ...(await readKeyMaterial({ contents: pfx })), form: 'pem' }, pem)
    const key = createPrivateKey(leaf.key)
    assert.deepEqual(
      pem.keys.map(({ type, traditionalPem }) => ({ type, traditionalPem })),
      [{ type: kind, traditionalPem: key.export({ format: 'pem', type: kind === 'rsa' ? 'pkcs1' : 'sec1' }) }],
    )
    const chain = pem.certificates.map((der) => encodePem({ label: 'CERTIFICATE', der }))
    assert.deepEqual(chain, [leaf.certificate, root.certificate])
    assert.equal(pem.complete, true)
  })
}

test('readKeyMaterial() passes over other PEM blocks, and takes blanks behind a boundary', async (t) => {
  const openssl = createOpenssl(t)
  const { key, certificate } = openssl.certificate('shop', { kind: 'ec' })
  const others = [
    openssl.run(['ecparam', '-name', 'prime256v1']).toString('utf8'),
    openssl.run(['pkey', '-in', 'shop.key', '-pubout']).toString('utf8'),
    encodePem({ label: 'X509 CRL', der: Buffer.from('not looked at') }),
  ]
  for (const text of [
    certificate + key + others.join(''),
    others.join('') + key + certificate,
    (key + certificate).replaceAll(/-----$/gm, '----- \t'),
    (key + certificate).replaceAll('\n', '\r\n'),
  ]) {
    const { keys, certificates } = await readKeyMaterial({ contents: bytes(text) })
    assert.deepEqual([keys.length, certificates.length], [1, 1])
  }
})

test('readKeyMaterial() opens encrypted keys of every form with the password, and throws what is wrong without it', async (t) => {
  const openssl = createOpenssl(t)
  openssl.certificate('app', { kind: 'rsa' })
  const forms = [
    ['pkcs8', '-topk8', '-v2', 'aes-256-cbc', '-passout', 'pass:planted', '-in', 'app.key'],
    ['pkcs8', '-topk8', '-scrypt', '-passout', 'pass:planted', '-in', 'app.key'],
    ['rsa', '-aes128', '-traditional', '-passout', 'pass:planted', '-in', 'app.key'],
  ]
  for (const form of forms) {
    const contents = openssl.run(form)
    const { keys } = await readKeyMaterial({ contents, password: 'planted' })
    assert.equal(keys.length, 1)
    await assert.rejects(
      readKeyMaterial({ contents }),
      /^Error: the private key is encrypted and there is no password$/,
    )
    await assert.rejects(
      readKeyMaterial({ contents, password: 'planted-wrong' }),
      (error: Error) => /cannot be decrypted/.test(error.message) && !error.message.includes('planted'),
    )
  }
})

test('a file that asks for more rounds of key derivation than are accepted is refused before the first one', async (t) => {
  const openssl = createOpenssl(t)
  const { key, certificate } = openssl.certificate('app', { kind: 'ec' })
  const refused = /rounds, at most 200000 are accepted/
  const pfx = (args: readonly string[]) =>
    openssl.pfx({ key, certificates: [certificate], args: ['-passout', 'pass:', ...args] })
  await assert.rejects(readPkcs12(pfx(['-iter', '200001'])), refused)
  await assert.rejects(readPkcs12(pfx(['-legacy', '-iter', '200001'])), refused)
  assert.equal((await readPkcs12(pfx(['-iter', '100000']))).keys.length, 1)

  // 65,537 becomes 8,388,607 by changing the bytes of the number.
  const changed = Buffer.from(pfx(['-iter', '65537', '-nomac']))
  const at = changed.indexOf(Buffer.from([0x02, 0x03, 0x01, 0x00, 0x01]))
  assert.ok(at > 0)
  Buffer.from([0x02, 0x03, 0x7f, 0xff, 0xff]).copy(changed, at)
  await assert.rejects(readPkcs12(changed), refused)

  for (const form of [
    ['-v2', 'aes-256-cbc', '-iter', '200001'],
    ['-v1', 'PBE-SHA1-3DES', '-iter', '200001'],
    ['-scrypt', '-scrypt_N', '16384', '-scrypt_r', '8', '-scrypt_p', '2'],
  ]) {
    const contents = openssl.run(['pkcs8', '-topk8', ...form, '-passout', 'pass:x', '-in', 'app.key'])
    await assert.rejects(readKeyMaterial({ contents, password: 'x' }), refused)
  }
})
