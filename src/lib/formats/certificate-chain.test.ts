import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type Certificate, createOpenssl } from '../../../test/support/openssl.ts'
import { orderChain } from './certificate-chain.ts'
import { decodePem } from './pem.ts'

function der({ certificate }: Certificate): Buffer {
  return decodePem(certificate)[0]?.der ?? Buffer.alloc(0)
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]]
  return items.flatMap((item, index) => permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]))
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

test('orderChain() puts the leaf and its issuers first, and what is left over behind them', (t) => {
  const openssl = createOpenssl(t)
  const root = openssl.certificate('root', { kind: 'ec', ca: true })
  const intermediate = openssl.certificate('intermediate', { kind: 'ec', ca: true, issuer: root })
  const leaf = openssl.certificate('leaf', { kind: 'ec', issuer: intermediate })
  const stranger = openssl.certificate('stranger', { kind: 'ec' })
  for (const [input, expected] of [
    // The intermediate is missing.
    [
      [leaf, root],
      [leaf, root],
    ],
    [
      [root, stranger, leaf, intermediate],
      [leaf, intermediate, root, stranger],
    ],
    [
      [leaf, leaf],
      [leaf, leaf],
    ],
    [
      [intermediate, leaf, leaf],
      [leaf, intermediate, leaf],
    ],
  ] as const) {
    assert.deepEqual(orderChain(input.map(der)), { certificates: expected.map(der), complete: false })
  }
  assert.deepEqual(orderChain([der(intermediate), der(leaf)]), {
    certificates: [der(leaf), der(intermediate)],
    complete: true,
  })
  assert.deepEqual(orderChain([]), { certificates: [], complete: true })
})

test('orderChain() begins with the certificate of the key, where a stranger could be a leaf too', (t) => {
  const openssl = createOpenssl(t)
  const root = openssl.certificate('root', { kind: 'ec', ca: true })
  const leaf = openssl.certificate('leaf', { kind: 'ec', issuer: root })
  const other = openssl.certificate('other', { kind: 'ec', issuer: root })
  const key = createPrivateKey(leaf.key)
  const certificates = [der(other), der(root), der(leaf)]
  assert.deepEqual(orderChain(certificates, key).certificates, [der(leaf), der(root), der(other)])
  assert.deepEqual(orderChain([der(root), der(other)], key).certificates, [der(other), der(root)])
})

test('orderChain() ends for certificates that all signed each other', (t) => {
  const openssl = createOpenssl(t)
  const first = openssl.certificate('same', { kind: 'ec', ca: true })
  const again = Array.from({ length: 11 }, (_, serial) => {
    openssl.run([
      'x509',
      '-in',
      'same.crt',
      '-signkey',
      'same.key',
      '-set_serial',
      String(100 + serial),
      '-out',
      'again.crt',
    ])
    return der({ ...first, certificate: readFileSync(openssl.path('again.crt'), 'utf8') })
  })
  const certificates = [der(first), ...again]
  assert.deepEqual(
    orderChain(certificates)
      .certificates.map((one) => one.toString('hex'))
      .toSorted(),
    certificates.map((one) => one.toString('hex')).toSorted(),
  )
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
  const all = [der(rootB), der(leaf), der(cross), crossB, der(rootA)]
  const { certificates, complete } = orderChain(all)
  assert.equal(complete, false)
  assert.deepEqual(certificates.slice(0, 3), [der(leaf), der(cross), der(rootA)])
  assert.deepEqual(new Set(certificates.slice(3)), new Set([der(rootB), crossB]))
})
