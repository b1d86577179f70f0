import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createOpenssl, type KeyKind } from '../../../test/support/openssl.ts'
import { decodePem, encodePem } from './pem.ts'
import { readPkcs12 } from './pkcs12.ts'

const forms: Record<string, readonly string[]> = {
  'RC2-40 and 3DES with a SHA-1 MAC (Windows, Key Vault, OpenSSL 1)': ['-legacy', '-passout', 'pass:'],
  '3DES alone with a SHA-1 MAC': [
    '-certpbe',
    'PBE-SHA1-3DES',
    '-keypbe',
    'PBE-SHA1-3DES',
    '-macalg',
    'sha1',
    '-passout',
    'pass:',
  ],
  'AES-256 with a SHA-256 MAC (OpenSSL 3)': ['-passout', 'pass:'],
  'AES-128 with a SHA-512 MAC': [
    '-certpbe',
    'AES-128-CBC',
    '-keypbe',
    'AES-128-CBC',
    '-macalg',
    'sha512',
    '-passout',
    'pass:',
  ],
  'AES without a MAC': ['-nomac', '-passout', 'pass:'],
  'no encryption': ['-certpbe', 'NONE', '-keypbe', 'NONE', '-nomac', '-passout', 'pass:'],
}

for (const kind of ['rsa', 'ec'] satisfies KeyKind[]) {
  test(`readPkcs12() reads a PFX with a chain and an ${kind.toUpperCase()} key, whatever its encryption`, async (t) => {
    const openssl = createOpenssl(t)
    const root = openssl.certificate('root', { kind, ca: true })
    const leaf = openssl.certificate('leaf', { kind, issuer: root })
    const keyDer = openssl.run(['pkcs8', '-topk8', '-nocrypt', '-in', 'leaf.key', '-outform', 'DER'])
    for (const [form, args] of Object.entries(forms)) {
      const pfx = openssl.pfx({ key: leaf.key, certificates: [leaf.certificate, root.certificate], args })
      const { keys, certificates } = await readPkcs12(pfx)
      assert.deepEqual(
        keys.map((key) => key.export({ format: 'der', type: 'pkcs8' }).toString('hex')),
        [keyDer.toString('hex')],
        form,
      )
      const expected = [leaf, root].flatMap(({ certificate }) =>
        decodePem(certificate).map(({ der }) => der.toString('hex')),
      )
      assert.deepEqual(
        certificates.map((der) => der.toString('hex')),
        expected,
        form,
      )
    }
  })
}

test('readPkcs12() takes a password, and reports a wrong one without quoting it', async (t) => {
  const openssl = createOpenssl(t)
  const { key, certificate } = openssl.certificate('app')
  const pfx = openssl.pfx({ key, certificates: [certificate], args: ['-passout', 'pass:planted-password'] })
  assert.equal((await readPkcs12(pfx, 'planted-password')).keys.length, 1)
  await assert.rejects(
    readPkcs12(pfx, 'planted-wrong'),
    (error: Error) => /^pkcs12: /.test(error.message) && !/planted/.test(error.message),
  )
  await assert.rejects(readPkcs12(pfx), /^Error: pkcs12: /)
})

test('readPkcs12() gives the certificate of a file without a key', async (t) => {
  const openssl = createOpenssl(t)
  const { certificate } = openssl.certificate('app')
  const pfx = openssl.pfx({ key: '', certificates: [certificate], args: ['-nokeys', '-passout', 'pass:'] })
  const { keys, certificates } = await readPkcs12(pfx)
  assert.deepEqual([keys.length, certificates.length], [0, 1])
})

test('readPkcs12() refuses any other bytes with an error, and never hangs', async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.uint8Array({ maxLength: 60 }).map((tail) => Uint8Array.of(0x30, 0x80, ...tail)),
  )
  await fc.assert(
    fc.asyncProperty(bytes, async (input) => {
      await assert.rejects(readPkcs12(input), Error)
    }),
    { numRuns: 300 },
  )
})

test('decodePem() gives back what encodePem() wrote, whatever is around it', () => {
  const block = fc.record(
    {
      label: fc.constantFrom('CERTIFICATE', 'PRIVATE KEY', 'EC PARAMETERS'),
      der: fc.uint8Array({ minLength: 1 }),
    },
    { noNullPrototype: true },
  )
  const noise = fc.constantFrom('', '\n', 'Bag Attributes\n    friendlyName: x\n', '# note\r\n')
  fc.assert(
    fc.property(fc.array(block), noise, (blocks, between) => {
      const text = blocks.map((one) => between + encodePem(one)).join('') + between
      assert.deepEqual(
        decodePem(text).map(({ label, der }) => ({ label, der: Uint8Array.from(der) })),
        blocks,
      )
    }),
  )
})

test('decodePem() drops a block that another one interrupts, so that its work is bounded by the length of the text', () => {
  const unfinished = '-----BEGIN A-----\n'.repeat(20_000)
  assert.deepEqual(decodePem(unfinished), [])
  const [block, ...more] = decodePem(`${unfinished}AAAA\n-----END A-----\n`)
  assert.deepEqual([block?.label, block?.der.length, more.length], ['A', 3, 0])
  assert.deepEqual(decodePem('-----BEGIN A-----\nAAAA\n-----END B-----\n-----END A-----'), [])
})
