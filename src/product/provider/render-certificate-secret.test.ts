import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { SecretValue } from '#lib'
import { decodePem, encodePem } from '#lib/formats'
import { type Certificate, createOpenssl, type KeyKind } from '../../../test/support/openssl.ts'
import { orderChain } from './certificate-chain.ts'
import { renderCertificateSecret, splitCertificateAndKey } from './render-certificate-secret.ts'

const pkcs12 = 'application/x-pkcs12'
const asPem = { format: 'pem', constructPemChain: true } as const

function der({ certificate }: Certificate): Buffer {
  return decodePem(certificate)[0]?.der ?? Buffer.alloc(0)
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]]
  return items.flatMap((item, index) => permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]))
}

for (const kind of ['rsa', 'ec'] satisfies KeyKind[]) {
  test(`a PFX with an ${kind.toUpperCase()} key becomes the key and then the chain, which openssl reads`, async (t) => {
    const openssl = createOpenssl(t)
    const root = openssl.certificate('root', { kind, ca: true })
    const intermediate = openssl.certificate('intermediate', { kind, ca: true, issuer: root })
    const leaf = openssl.certificate('leaf', { kind, issuer: intermediate })
    const certificates = [root, leaf, intermediate].map(({ certificate }) => certificate)
    const pfx = openssl.pfx({ key: leaf.key, certificates, args: ['-legacy', '-passout', 'pass:'] })

    const value = SecretValue.of(pfx.toString('base64'))
    const rendered = (await renderCertificateSecret({ value, contentType: pkcs12 }, asPem)).revealText()

    // openssl's own conversions are the golden file.
    const key = openssl.run(['pkcs8', '-topk8', '-nocrypt', '-in', 'leaf.key']).toString('utf8')
    const chain = [leaf, intermediate, root].map((one) => openssl.run(['x509'], one.certificate).toString('utf8'))
    assert.equal(rendered, key + chain.join(''))

    writeFileSync(openssl.path('chain.pem'), rendered)
    const served = openssl.run(['pkey', '-in', 'chain.pem', '-pubout']).toString('utf8')
    assert.equal(openssl.run(['x509', '-in', 'chain.pem', '-pubkey', '-noout']).toString('utf8'), served)
    writeFileSync(openssl.path('root.pem'), root.certificate)
    const verified = openssl.run(['verify', '-CAfile', 'root.pem', '-untrusted', 'chain.pem', 'leaf.crt'])
    assert.match(verified.toString('utf8'), /OK/)
  })
}

test('orderChain() puts every order of a chain right, also without key identifiers', (t) => {
  const openssl = createOpenssl(t)
  for (const bare of [false, true]) {
    const root = openssl.certificate('root', { kind: 'ec', ca: true, bare })
    const first = openssl.certificate('first', { kind: 'ec', ca: true, issuer: root, bare })
    const second = openssl.certificate('second', { kind: 'ec', ca: true, issuer: first, bare })
    const leaf = openssl.certificate('leaf', { kind: 'ec', issuer: second, bare })
    const right = [leaf, second, first, root].map(der)
    for (const order of permutations(right))
      assert.deepEqual(orderChain(order), { certificates: right, complete: true })
  }
})

test('orderChain() leaves a chain with a gap, a stranger or a twin as it was', (t) => {
  const openssl = createOpenssl(t)
  const root = openssl.certificate('root', { kind: 'ec', ca: true })
  const intermediate = openssl.certificate('intermediate', { kind: 'ec', ca: true, issuer: root })
  const leaf = openssl.certificate('leaf', { kind: 'ec', issuer: intermediate })
  const stranger = openssl.certificate('stranger', { kind: 'ec' })
  for (const input of [
    [root, leaf],
    [root, stranger, leaf, intermediate],
    [leaf, leaf],
    [intermediate, leaf, leaf],
  ]) {
    const certificates = input.map(der)
    assert.deepEqual(orderChain(certificates), { certificates, complete: false })
  }
  assert.deepEqual(orderChain([der(intermediate), der(leaf)]), {
    certificates: [der(leaf), der(intermediate)],
    complete: true,
  })
  assert.deepEqual(orderChain([]), { certificates: [], complete: true })
})

test('orderChain() is not misled by a certificate with the right name and the wrong key', (t) => {
  const openssl = createOpenssl(t)
  const old = openssl.certificate('ca', { kind: 'ec', ca: true })
  const renewed = openssl.certificate('ca', { kind: 'ec', ca: true })
  const leaf = openssl.certificate('leaf', { kind: 'ec', issuer: renewed })
  assert.deepEqual(orderChain([der(renewed), der(leaf)]).certificates, [der(leaf), der(renewed)])
  assert.equal(orderChain([der(old), der(leaf)]).complete, false)
})

test('orderChain() follows one of two issuers that signed the same key', (t) => {
  const openssl = createOpenssl(t)
  const rootA = openssl.certificate('root-a', { kind: 'ec', ca: true })
  const rootB = openssl.certificate('root-b', { kind: 'ec', ca: true })
  const cross = openssl.certificate('cross', { kind: 'ec', ca: true, issuer: rootA })
  const leaf = openssl.certificate('leaf', { kind: 'ec', issuer: cross })
  openssl.run([
    'x509',
    '-req',
    '-in',
    'cross.csr',
    '-CA',
    'root-b.crt',
    '-CAkey',
    'root-b.key',
    '-days',
    '2',
    '-set_serial',
    '77',
    '-extfile',
    'cross.ext',
    '-out',
    'cross-b.crt',
  ])
  const crossB = decodePem(openssl.run(['x509', '-in', 'cross-b.crt']).toString('utf8'))[0]?.der ?? Buffer.alloc(0)
  // One chain covers all but the other pair, so nothing can be said to be right.
  const all = [der(rootB), der(leaf), der(cross), crossB, der(rootA)]
  assert.deepEqual(orderChain(all), { certificates: all, complete: false })
})

test('a certificate secret is given as stored where it is asked for, and refused where it cannot be', async () => {
  const value = SecretValue.of('stored text')
  const asPfx = { format: 'pfx', constructPemChain: true } as const
  assert.equal(await renderCertificateSecret({ value, contentType: 'application/x-pem-file' }, asPem), value)
  assert.equal(await renderCertificateSecret({ value, contentType: pkcs12 }, asPfx), value)
  await assert.rejects(
    renderCertificateSecret({ value, contentType: 'application/x-pem-file' }, asPfx),
    /stored as PEM/,
  )
  await assert.rejects(
    renderCertificateSecret({ value, contentType: 'text/plain' }, asPem),
    /^Error: failed to get certificate. unknown content type 'text\/plain'$/,
  )
  await assert.rejects(renderCertificateSecret({ value, contentType: undefined }, asPem), /unknown content type ''/)
  await assert.rejects(
    renderCertificateSecret({ value, contentType: pkcs12 }, asPem),
    (error: Error) => !error.message.includes('stored'),
  )
})

test('splitCertificateAndKey() gives certificates and the rest, without what stands between them', () => {
  const key = encodePem({ label: 'PRIVATE KEY', der: Buffer.from('key') })
  const leaf = encodePem({ label: 'CERTIFICATE', der: Buffer.from('leaf') })
  const root = encodePem({ label: 'CERTIFICATE', der: Buffer.from('root') })
  const split = splitCertificateAndKey(SecretValue.of(`Bag Attributes\n${leaf}note\n${key}${root}`))
  assert.equal(split.certificates.revealText(), leaf + root)
  assert.equal(split.key.revealText(), key)
})
