import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { ClientSecretCredential } from '@azure/identity'
import { CertificateClient } from '@azure/keyvault-certificates'
import { KeyClient } from '@azure/keyvault-keys'
import { SecretClient } from '@azure/keyvault-secrets'
import { sdkOptions, startLocalAzure, trustInThisProcess } from '../../support/local-azure.ts'
import { createOpenssl } from '../../support/openssl.ts'

async function vaultClients(t: TestContext) {
  const azure = await startLocalAzure(t)
  trustInThisProcess(azure)
  const vault = await azure.createVault('shop', { rbac: false })
  const { tenantId, clientId, clientSecret } = azure.administrator
  const credential = new ClientSecretCredential(tenantId, clientId, clientSecret, sdkOptions(azure))
  const options = { ...sdkOptions(azure), retryOptions: { maxRetries: 0 } }
  return {
    keys: new KeyClient(vault.url, credential, options),
    secrets: new SecretClient(vault.url, credential, options),
    certificates: new CertificateClient(vault.url, credential, options),
  }
}

const fast = { intervalInMs: 10 }

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

test('keys are created, listed, updated, deleted and recovered, and their private part never leaves the vault', async (t) => {
  const { keys } = await vaultClients(t)
  const rsa = await keys.createRsaKey('rsa', { keySize: 2048, tags: { team: 'shop' } })
  assert.equal(rsa.key?.kty, 'RSA')
  assert.equal(rsa.key?.n?.length, 256)
  const ec = await keys.createEcKey('ec', { curve: 'P-384' })
  assert.deepEqual([ec.key?.kty, ec.key?.crv, ec.key?.x?.length], ['EC', 'P-384', 48])
  assert.deepEqual(ec.keyOperations, ['sign', 'verify'])
  for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const) assert.equal(rsa.key?.[member], undefined, member)

  const second = await keys.createRsaKey('rsa')
  assert.equal((await keys.getKey('rsa')).properties.version, second.properties.version)
  const first = await keys.getKey('rsa', { version: rsa.properties.version ?? '' })
  assert.deepEqual(first.key?.n, rsa.key?.n)
  const versions = await collect(keys.listPropertiesOfKeyVersions('rsa'))
  assert.equal(versions.length, 2)
  assert.deepEqual(
    (await collect(keys.listPropertiesOfKeys())).map(({ name }) => name),
    ['ec', 'rsa'],
  )
  const disabled = await keys.updateKeyProperties('ec', { enabled: false })
  assert.equal(disabled.properties.enabled, false)

  await (await keys.beginDeleteKey('ec', fast)).pollUntilDone()
  await assert.rejects(keys.getKey('ec'), { code: 'KeyNotFound' })
  await (await keys.beginRecoverDeletedKey('ec', fast)).pollUntilDone()
  assert.equal((await keys.getKey('ec')).name, 'ec')
})

test('a private key is imported as a JWK', async (t) => {
  const { keys } = await vaultClients(t)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { d = '', x = '', y = '' } = privateKey.export({ format: 'jwk' })
  const bytes = (text: string) => Buffer.from(text, 'base64url')
  const imported = await keys.importKey('mine', { kty: 'EC', crv: 'P-256', d: bytes(d), x: bytes(x), y: bytes(y) })
  assert.deepEqual(Buffer.from(imported.key?.x ?? []), bytes(x))
  await assert.rejects(keys.importKey('half', { kty: 'EC', crv: 'P-256', x: bytes(x), y: bytes(y) }), {
    code: 'BadParameter',
  })
})

for (const keyType of ['RSA', 'EC'] as const) {
  for (const contentType of ['application/x-pem-file', 'application/x-pkcs12'] as const) {
    test(`a self-signed ${keyType} certificate has its key and its ${contentType} secret at the same version`, async (t) => {
      const { keys, secrets, certificates } = await vaultClients(t)
      const openssl = createOpenssl(t)
      const poller = await certificates.beginCreateCertificate(
        'web',
        {
          issuerName: 'Self',
          subject: 'CN=example.com',
          subjectAlternativeNames: { dnsNames: ['example.com', 'www.example.com'] },
          keyType,
          contentType,
          validityInMonths: 6,
        },
        fast,
      )
      const made = await poller.pollUntilDone()
      const version = made.properties.version ?? ''
      const leaf = new X509Certificate(Buffer.from(made.cer ?? []))
      assert.equal(leaf.subject, 'CN=example.com')
      assert.equal(leaf.subjectAltName, 'DNS:example.com, DNS:www.example.com')
      assert.ok(leaf.verify(leaf.publicKey))

      const key = await keys.getKey('web')
      assert.deepEqual([key.properties.version, key.properties.managed, key.key?.kty], [version, true, keyType])
      const secret = await secrets.getSecret('web')
      assert.deepEqual([secret.properties.version, secret.properties.managed], [version, true])
      assert.equal(secret.properties.contentType, contentType)
      const pem =
        contentType === 'application/x-pem-file'
          ? (secret.value ?? '')
          : openssl.run(['pkcs12', '-passin', 'pass:', '-nodes'], Buffer.from(secret.value ?? '', 'base64')).toString()
      assert.ok(leaf.checkPrivateKey(createPrivateKey(pem)))
      assert.ok(pem.includes('BEGIN CERTIFICATE'))
    })
  }
}

test('a certificate is deleted and recovered with its key and secret, which cannot be deleted alone', async (t) => {
  const { keys, secrets, certificates } = await vaultClients(t)
  const policy = { issuerName: 'Self', subject: 'CN=x' }
  await (await certificates.beginCreateCertificate('web', policy, fast)).pollUntilDone()
  await assert.rejects(secrets.beginDeleteSecret('web'), { code: 'Forbidden' })
  await assert.rejects(keys.beginDeleteKey('web'), { code: 'Forbidden' })
  await (await certificates.beginDeleteCertificate('web', fast)).pollUntilDone()
  await assert.rejects(secrets.getSecret('web'), { code: 'SecretNotFound' })
  await (await certificates.beginRecoverDeletedCertificate('web', fast)).pollUntilDone()
  assert.ok((await secrets.getSecret('web')).value)
  assert.equal((await keys.getKey('web')).name, 'web')
})

test('a disabled certificate disables its secret too', async (t) => {
  const { secrets, certificates } = await vaultClients(t)
  const policy = { issuerName: 'Self', subject: 'CN=x' }
  const made = await (await certificates.beginCreateCertificate('web', policy, fast)).pollUntilDone()
  await certificates.updateCertificateProperties('web', made.properties.version ?? '', { enabled: false })
  await assert.rejects(secrets.getSecret('web'), { code: 'Forbidden' })
})

test('PEM and PFX files are imported with their chain, and are returned in their own format', async (t) => {
  const { secrets, certificates } = await vaultClients(t)
  const openssl = createOpenssl(t)
  const policy = { issuerName: 'Self', subject: 'CN=x', contentType: 'application/x-pem-file' as const }
  await (await certificates.beginCreateCertificate('source', policy, fast)).pollUntilDone()
  const pem = (await secrets.getSecret('source')).value ?? ''

  const fromPem = await certificates.importCertificate('from-pem', Buffer.from(pem), {
    policy: { contentType: 'application/x-pem-file' },
  })
  assert.equal((await secrets.getSecret('from-pem')).value, pem)
  const pfx = openssl.run(['pkcs12', '-export', '-legacy', '-passout', 'pass:geheim'], Buffer.from(pem))
  const fromPfx = await certificates.importCertificate('from-pfx', pfx, { password: 'geheim' })
  assert.deepEqual(fromPfx.cer, fromPem.cer)
  const stored = await secrets.getSecret('from-pfx')
  assert.equal(stored.properties.contentType, 'application/x-pkcs12')
  const read = openssl.run(['pkcs12', '-passin', 'pass:', '-nodes'], Buffer.from(stored.value ?? '', 'base64'))
  assert.match(read.toString(), /BEGIN CERTIFICATE/)
  await assert.rejects(certificates.importCertificate('wrong', pfx, { password: 'other' }), { code: 'BadParameter' })
})

test('a certificate of another authority waits for it, and is merged with its key and secret', async (t) => {
  const { certificates, keys, secrets } = await vaultClients(t)
  const openssl = createOpenssl(t)
  const policy = { issuerName: 'Unknown', subject: 'CN=shop.example.com' }
  await certificates.beginCreateCertificate('web', policy, fast)
  const poller = await certificates.getCertificateOperation('web')
  const { csr, status } = poller.getOperationState().certificateOperation ?? {}
  assert.equal(status, 'inProgress')
  const waiting = await certificates.getCertificate('web')
  assert.deepEqual([waiting.cer, waiting.properties.enabled], [undefined, false])
  await assert.rejects(certificates.beginCreateCertificate('web', policy, fast), { code: 'Conflict' })

  const authority = openssl.certificate('ca', { ca: true })
  for (const [name, text] of Object.entries({ 'ca.crt': authority.certificate, 'ca.pem': authority.key })) {
    writeFileSync(openssl.path(name), text)
  }
  writeFileSync(openssl.path('web.csr'), csr ?? '')
  const signing = [
    'x509',
    '-req',
    '-inform',
    'DER',
    '-in',
    'web.csr',
    '-CA',
    'ca.crt',
    '-CAkey',
    'ca.pem',
    '-days',
    '30',
  ]
  const signed = openssl.run([...signing, '-set_serial', '77', '-outform', 'DER'])
  const foreign = new X509Certificate(authority.certificate).raw
  await assert.rejects(certificates.mergeCertificate('web', [foreign]), { code: 'BadParameter' })
  const merged = await certificates.mergeCertificate('web', [foreign, signed])
  assert.deepEqual(Buffer.from(merged.cer ?? []), signed)
  const secret = await secrets.getSecret('web')
  const pfx = openssl
    .run(['pkcs12', '-passin', 'pass:', '-nodes'], Buffer.from(secret.value ?? '', 'base64'))
    .toString()
  assert.equal(pfx.match(/BEGIN CERTIFICATE/g)?.length, 2)
  assert.match(pfx, /BEGIN PRIVATE KEY/)
  assert.equal(merged.properties.version, waiting.properties.version)
  assert.equal((await keys.getKey('web')).properties.version, merged.properties.version)
  await assert.rejects(certificates.mergeCertificate('web', [signed]), { code: 'Conflict' })
})

test('a list includes waiting certificates on request', async (t) => {
  const { certificates } = await vaultClients(t)
  await certificates.beginCreateCertificate('asked', { issuerName: 'Unknown', subject: 'CN=x' }, fast)
  const own = await certificates.beginCreateCertificate('own', { issuerName: 'Self', subject: 'CN=x' }, fast)
  await own.pollUntilDone()
  const names = async (includePending: boolean) =>
    (await collect(certificates.listPropertiesOfCertificates({ includePending }))).map(({ name }) => name)
  assert.deepEqual(await names(false), ['own'])
  assert.deepEqual(await names(true), ['asked', 'own'])
})

test('a waiting certificate is cancelled, or deleted', async (t) => {
  const { certificates } = await vaultClients(t)
  const policy = { issuerName: 'Unknown', subject: 'CN=x' }
  const statusOf = async (name: string) =>
    (await certificates.getCertificateOperation(name)).getOperationState().certificateOperation?.status
  const poller = await certificates.beginCreateCertificate('web', policy, fast)
  await poller.cancelOperation()
  assert.equal(await statusOf('web'), 'cancelled')
  await certificates.deleteCertificateOperation('web')
  await assert.rejects(statusOf('web'), { statusCode: 404 })
  await certificates.beginCreateCertificate('web', policy, fast)
})

test('contacts and issuers are stored, and a policy can name an issuer of the vault', async (t) => {
  const { certificates } = await vaultClients(t)
  await assert.rejects(certificates.getContacts(), { code: 'ContactsNotFound' })
  await certificates.setContacts([{ email: 'ops@example.com', name: 'Ops' }])
  const [contact, ...others] = (await certificates.getContacts()) ?? []
  assert.deepEqual([contact?.email, contact?.name, others], ['ops@example.com', 'Ops', []])
  await certificates.deleteContacts()
  await assert.rejects(certificates.getContacts(), { code: 'ContactsNotFound' })

  const create = () => certificates.beginCreateCertificate('web', { issuerName: 'digicert', subject: 'CN=x' }, fast)
  await assert.rejects(create(), { code: 'BadParameter' })
  const administratorContacts = [{ firstName: 'Ada', email: 'ada@example.com' }]
  await certificates.createIssuer('DigiCert', 'DigiCert', { accountId: 'a1', password: 'hush', administratorContacts })
  const issuer = await certificates.updateIssuer('digicert', { organizationId: 'o1' })
  assert.deepEqual([issuer.accountId, issuer.organizationId], ['a1', 'o1'])
  assert.match(issuer.id ?? '', /\/certificates\/issuers\/DigiCert$/)
  assert.ok(!JSON.stringify(issuer).includes('hush'))
  const [listed] = await collect(certificates.listPropertiesOfIssuers())
  assert.deepEqual([listed?.id, listed?.provider], [issuer.id, 'DigiCert'])
  await create()
  assert.equal(
    (await certificates.getCertificateOperation('web')).getOperationState().certificateOperation?.status,
    'inProgress',
  )
  await certificates.deleteIssuer('DigiCert')
  await assert.rejects(certificates.getIssuer('DigiCert'), { code: 'CertificateIssuerNotFound' })
})

test('a new version has a new key, unless its policy reuses the key', async (t) => {
  const { certificates, keys } = await vaultClients(t)
  const modulus = async (reuseKey: boolean) => {
    const policy = { issuerName: 'Self', subject: 'CN=x', reuseKey }
    await (await certificates.beginCreateCertificate('web', policy, fast)).pollUntilDone()
    return Buffer.from((await keys.getKey('web')).key?.n ?? []).toString('hex')
  }
  const first = await modulus(false)
  const second = await modulus(false)
  assert.notEqual(second, first)
  assert.equal(await modulus(true), second)
})

test('a key that is not exportable is not in the secret', async (t) => {
  const { certificates, secrets } = await vaultClients(t)
  const policy = {
    issuerName: 'Self',
    subject: 'CN=x',
    exportable: false,
    contentType: 'application/x-pem-file',
  } as const
  await (await certificates.beginCreateCertificate('web', policy, fast)).pollUntilDone()
  const { value } = await secrets.getSecret('web')
  assert.match(value ?? '', /BEGIN CERTIFICATE/)
  assert.doesNotMatch(value ?? '', /PRIVATE KEY/)
})

test('the backup of a certificate restores its key and its secret', async (t) => {
  const { certificates, keys, secrets } = await vaultClients(t)
  const poller = await certificates.beginCreateCertificate('web', { issuerName: 'Self', subject: 'CN=web' }, fast)
  const made = await poller.pollUntilDone()
  const secret = await secrets.getSecret('web')
  const backup = await certificates.backupCertificate('web')
  assert.ok(backup)
  await (await certificates.beginDeleteCertificate('web', fast)).pollUntilDone()
  await certificates.purgeDeletedCertificate('web')
  await assert.rejects(keys.getKey('web'), { code: 'KeyNotFound' })

  const restored = await certificates.restoreCertificateBackup(backup)
  assert.equal(restored.properties.version, made.properties.version)
  assert.equal((await secrets.getSecret('web')).value, secret.value)
  assert.equal((await keys.getKey('web')).properties.version, made.properties.version)
})
