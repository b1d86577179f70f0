import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { SecretValue } from '#lib'
import { encodePem } from '#lib/formats'
import { inlineTasks } from '#lib/worker'
import { createOpenssl, type KeyKind } from '../../../test/support/openssl.ts'
import { renderCertificateSecret, splitCertificateAndKey } from './render-certificate-secret.ts'

const pkcs12 = 'application/x-pkcs12'
const asPem = { format: 'pem', constructPemChain: true, tasks: inlineTasks() } as const

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

test('a certificate secret is given as stored where it is asked for, and refused where it cannot be', async () => {
  const value = SecretValue.of('stored text')
  const asPfx = { ...asPem, format: 'pfx' } as const
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

test('splitCertificateAndKey() gives certificates and the rest, without the text between them', () => {
  const key = encodePem({ label: 'PRIVATE KEY', der: Buffer.from('key') })
  const leaf = encodePem({ label: 'CERTIFICATE', der: Buffer.from('leaf') })
  const root = encodePem({ label: 'CERTIFICATE', der: Buffer.from('root') })
  const split = splitCertificateAndKey(SecretValue.of(`Bag Attributes\n${leaf}note\n${key}${root}`))
  assert.equal(split.certificates.revealText(), leaf + root)
  assert.equal(split.key.revealText(), key)
})
