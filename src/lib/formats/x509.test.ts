import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { certificateSerialNumber, createAuthority, issueCertificate } from './x509.ts'

const validity = { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2027-01-01T00:00:00Z') }

test('issueCertificate() signs a server certificate that its authority verifies, with the key that belongs to it', async () => {
  const authority = await createAuthority({ name: 'CN=authority, O=test', ...validity })
  const { certificate, privateKey } = await issueCertificate(authority, {
    subject: [{ CN: ['a, b'] }],
    usage: 'server',
    alternativeNames: ['shop.default.svc', '127.0.0.1'],
    ...validity,
  })
  const [leaf, ca] = [new X509Certificate(certificate), new X509Certificate(authority.certificate)]
  assert.ok(leaf.checkIssued(ca) && leaf.verify(ca.publicKey))
  assert.ok(leaf.checkPrivateKey(createPrivateKey(privateKey.revealText())))
  assert.ok(ca.ca && !leaf.ca)
  assert.equal(leaf.checkHost('shop.default.svc'), 'shop.default.svc')
  assert.equal(leaf.checkIP('127.0.0.1'), '127.0.0.1')
  assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1'])
  assert.equal(leaf.subject, 'CN=a\\, b')
  assert.equal(ca.subject, 'CN=authority\nO=test')
  assert.equal(leaf.validFromDate.getTime(), validity.notBefore.getTime())
  assert.equal(leaf.validToDate.getTime(), validity.notAfter.getTime())
})

test('issueCertificate() signs a client certificate whose subject holds user and groups', async () => {
  const authority = await createAuthority({ name: 'CN=authority', ...validity })
  const subject = [{ CN: ['admin'] }, { O: ['system:masters'] }]
  const { certificate } = await issueCertificate(authority, { subject, usage: 'client', ...validity })
  const leaf = new X509Certificate(certificate)
  assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.2'])
  assert.equal(leaf.subject, 'CN=admin\nO=system:masters')
  assert.equal(leaf.subjectAltName, undefined)
})

test('certificateSerialNumber() is 16 bytes long and positive', () => {
  for (let i = 0; i < 100; i++) assert.match(certificateSerialNumber(), /^[4-7][0-9a-f]{31}$/)
})
