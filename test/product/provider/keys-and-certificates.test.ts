import assert from 'node:assert/strict'
import { createPublicKey, X509Certificate } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { createLog, type Log, sleep } from '#lib'
import { decodePem } from '#lib/formats'
import { createOpenssl } from '../../support/openssl.ts'
import { objectsOf } from '../../support/provider.ts'
import { type ProviderLab, startProviderLab } from '../../support/provider-lab.ts'

/** A vault whose reader has the rights on keys and certificates too, and a way to mount objects by their type. */
async function startWithRights(t: TestContext, overrides: { log?: Log } = {}) {
  const lab = await startProviderLab(t)
  const { clientId: clientID, principalId } = await lab.createReadableVault('shop-vault')
  const scope = `/subscriptions/${lab.azure.administrator.subscriptionId}`
  for (const role of ['Key Vault Crypto User', 'Key Vault Certificate User'])
    await lab.azure.assignRole(role, principalId, scope)
  const { mount } = await lab.startProvider(overrides)
  const mountObjects = async (...objects: Record<string, string | number>[]) => {
    const { files, objectVersion } = await mount(
      await lab.request({ keyvaultName: 'shop-vault', clientID, objects: objectsOf(...objects) }),
    )
    return {
      objectVersion,
      texts: Object.fromEntries(files.map(({ path, contents }) => [path, contents.toString('utf8')])),
    }
  }
  return { lab, mountObjects }
}

async function createCertificate(
  lab: ProviderLab,
  name: string,
  policy: { key: object; contentType: string },
): Promise<void> {
  await lab.vault('shop-vault', 'POST', `/certificates/${name}/create`, {
    policy: {
      key_props: { exportable: true, ...policy.key },
      secret_props: { contentType: policy.contentType },
      x509_props: { subject: `CN=${name}` },
      issuer: { name: 'Self' },
    },
  })
  for (let i = 0; i < 50; i++) {
    const { status } = await lab.vault('shop-vault', 'GET', `/certificates/${name}/pending`)
    if (status === 'completed') return
    await sleep(20)
  }
  throw new Error(`the certificate ${name} is not completed`)
}

test('keys are mounted as public keys, by version and by history', async (t) => {
  const { lab, mountObjects } = await startWithRights(t)
  for (const [name, body] of [
    ['rsa', { kty: 'RSA' }],
    ['ec', { kty: 'EC', crv: 'P-384' }],
  ] as const) {
    const { key } = (await lab.vault('shop-vault', 'POST', `/keys/${name}/create`, body)) as {
      key: Record<string, string> & { kid: string }
    }
    const { texts, objectVersion } = await mountObjects(
      { objectName: name, objectType: 'key' },
      { objectName: name, objectType: 'key', objectVersionHistory: 2, objectAlias: 'h' },
    )
    const { kty, n, e, crv, x, y } = key
    const jwk = Object.fromEntries(Object.entries({ kty, n, e, crv, x, y }).filter(([, value]) => value !== undefined))
    assert.equal(texts[name], createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'pem', type: 'spki' }))
    assert.equal(texts['h/0'], texts[name])
    const version = key.kid.split('/').at(-1)
    assert.deepEqual(objectVersion, [
      { id: `key/${name}`, version },
      { id: `key/${name}/0`, version },
    ])
  }
})

test('a certificate is its leaf as cert, its public key as key, and its key with the chain as secret', async (t) => {
  const { lab, mountObjects } = await startWithRights(t)
  for (const [name, key, contentType] of [
    ['rsa-pfx', { kty: 'RSA', key_size: 2048 }, 'application/x-pkcs12'],
    ['rsa-pem', { kty: 'RSA', key_size: 2048 }, 'application/x-pem-file'],
    ['ec-pfx', { kty: 'EC', crv: 'P-256' }, 'application/x-pkcs12'],
    ['ec-pem', { kty: 'EC', crv: 'P-256' }, 'application/x-pem-file'],
  ] as const) {
    await createCertificate(lab, name, { key, contentType })
    const { texts } = await mountObjects(
      { objectName: name, objectType: 'cert', objectAlias: 'cert' },
      { objectName: name, objectType: 'certificate', objectAlias: 'certificate' },
      { objectName: name, objectType: 'key', objectAlias: 'key' },
      { objectName: name, objectType: 'secret', objectAlias: 'secret' },
    )
    const leaf = new X509Certificate(texts.cert ?? '')
    assert.equal(leaf.subject, `CN=${name}`)
    assert.equal(texts.certificate, texts.cert)
    assert.equal(texts.key, leaf.publicKey.export({ format: 'pem', type: 'spki' }))
    const blocks = decodePem(texts.secret ?? '')
    assert.deepEqual(
      blocks.map(({ label }) => label),
      ['PRIVATE KEY', 'CERTIFICATE'],
      name,
    )
    assert.ok(blocks[1]?.der.equals(leaf.raw))
    assert.equal(createPublicKey(texts.secret ?? '').export({ format: 'pem', type: 'spki' }), texts.key)
  }
})

test('an imported chain comes out leaf first, and as the PFX that it is where that is asked for', async (t) => {
  const { lab, mountObjects } = await startWithRights(t)
  const openssl = createOpenssl(t)
  for (const kind of ['rsa', 'ec'] as const) {
    const root = openssl.certificate(`root-${kind}`, { kind, ca: true })
    const middle = openssl.certificate(`middle-${kind}`, { kind, ca: true, issuer: root })
    const { key, certificate } = openssl.certificate(`leaf-${kind}`, { kind, issuer: middle })
    const chain = certificate + middle.certificate + root.certificate
    const pfx = openssl.pfx({
      key,
      certificates: [certificate, root.certificate, middle.certificate],
      args: ['-passout', 'pass:pw'],
    })
    const imported = {
      value: pfx.toString('base64'),
      pwd: 'pw',
      policy: { secret_props: { contentType: 'application/x-pkcs12' } },
    }
    await lab.vault('shop-vault', 'POST', `/certificates/chain-${kind}/import`, imported)
    const { texts } = await mountObjects(
      { objectName: `chain-${kind}`, objectType: 'secret', objectAlias: 'pem' },
      { objectName: `chain-${kind}`, objectType: 'secret', objectAlias: 'pfx', objectFormat: 'pfx' },
      { objectName: `chain-${kind}`, objectType: 'cert', objectAlias: 'cert' },
    )
    assert.equal(texts.pem, key + chain)
    assert.equal(texts.cert, certificate)
    assert.ok(Buffer.from(texts.pfx ?? '', 'base64').length > 1000)
  }
})

test('an imported PEM comes out as it was stored, chain and all, and is not made into a PFX', async (t) => {
  const { lab, mountObjects } = await startWithRights(t)
  const openssl = createOpenssl(t)
  const root = openssl.certificate('root', { ca: true })
  const middle = openssl.certificate('middle', { ca: true, issuer: root })
  const { key, certificate } = openssl.certificate('leaf', { issuer: middle })
  const value = key + certificate + middle.certificate + root.certificate
  const policy = { secret_props: { contentType: 'application/x-pem-file' } }
  await lab.vault('shop-vault', 'POST', '/certificates/chain/import', { value, policy })
  const { texts } = await mountObjects(
    { objectName: 'chain', objectType: 'secret', objectAlias: 'pem' },
    { objectName: 'chain', objectType: 'cert', objectAlias: 'cert' },
    { objectName: 'chain', objectType: 'key', objectAlias: 'key' },
  )
  assert.equal(texts.pem, value)
  assert.equal(texts.cert, certificate)
  assert.equal(texts.key, new X509Certificate(certificate).publicKey.export({ format: 'pem', type: 'spki' }))
  await assert.rejects(
    mountObjects({ objectName: 'chain', objectType: 'secret', objectFormat: 'pfx' }),
    ({ details }: { details: string }) => {
      assert.match(details, /\[object-content-unusable\] .*: objectFormat pfx: the certificate is stored as PEM/)
      return true
    },
  )
})

test('an identity without rights on keys and certificates gets an error that names the missing role', async (t) => {
  const lab = await startProviderLab(t)
  const { clientId: clientID } = await lab.createReadableVault('shop-vault')
  await createCertificate(lab, 'web', { key: { kty: 'EC', crv: 'P-256' }, contentType: 'application/x-pkcs12' })
  const { mount } = await lab.startProvider()
  const objects = objectsOf(
    { objectName: 'web', objectType: 'key', objectAlias: 'a' },
    { objectName: 'web', objectType: 'cert', objectAlias: 'b' },
  )
  await assert.rejects(
    mount(await lab.request({ keyvaultName: 'shop-vault', clientID, objects })),
    ({ details }: { details: string }) => {
      assert.match(details, /2 of 2 objects failed/)
      assert.match(details, /role "Key Vault Crypto User"/)
      assert.match(details, /role "Key Vault Certificate User"/)
      return true
    },
  )
})

test('a key that is not valid yet is mounted, with a warning in the log', async (t) => {
  const lines: string[] = []
  const log = createLog({ name: 'provider', stream: { write: (line) => void lines.push(line) } })
  const { lab, mountObjects } = await startWithRights(t, { log })
  const attributes = { nbf: Math.floor(Date.now() / 1000) + 86_400 }
  await lab.vault('shop-vault', 'POST', '/keys/later/create', { kty: 'EC', attributes })
  await mountObjects({ objectName: 'later', objectType: 'key' })
  assert.match(lines.join(''), /the mounted version is not valid yet/)
})
