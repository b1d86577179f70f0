import assert from 'node:assert/strict'
import {
  constants,
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  publicEncrypt,
  verify,
} from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { ClientSecretCredential } from '@azure/identity'
import { CryptographyClient, type JsonWebKey, KeyClient, type KeyVaultKey } from '@azure/keyvault-keys'
import { sdkOptions, startLocalAzure, trustInThisProcess } from '../../support/local-azure.ts'

/** The official client, and the bare request for what it does without asking the vault. */
async function keyClients(t: TestContext) {
  const azure = await startLocalAzure(t)
  trustInThisProcess(azure)
  const vault = await azure.createVault('shop')
  const { tenantId, clientId, clientSecret } = azure.administrator
  const credential = new ClientSecretCredential(tenantId, clientId, clientSecret, sdkOptions(azure))
  const options = { ...sdkOptions(azure), retryOptions: { maxRetries: 0 } }
  const keys = new KeyClient(vault.url, credential, options)
  const cryptography = (key: KeyVaultKey) => new CryptographyClient(key.id ?? '', credential, options)
  const call = async (key: KeyVaultKey, operation: string, body: Record<string, string>) => {
    const answer = await azure.send({
      method: 'POST',
      url: new URL(`${key.id}/${operation}?api-version=7.4`),
      headers: {
        authorization: `Bearer ${await azure.token('https://vault.azure.net')}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify(body),
    })
    return { status: answer.status, ...JSON.parse(answer.body.toString('utf8')) }
  }
  return { azure, keys, cryptography, call }
}

function publicKeyOf({ key }: KeyVaultKey) {
  const text = (part: keyof JsonWebKey) => Buffer.from((key?.[part] ?? []) as Uint8Array).toString('base64url')
  const crv = key?.crv === 'P-256K' ? 'secp256k1' : String(key?.crv)
  const jwk =
    key?.kty === 'RSA' ? { kty: 'RSA', n: text('n'), e: text('e') } : { kty: 'EC', crv, x: text('x'), y: text('y') }
  return createPublicKey({ key: jwk, format: 'jwk' })
}

const message = Buffer.from('an order of two books')

for (const algorithm of ['RSA1_5', 'RSA-OAEP', 'RSA-OAEP-256'] as const) {
  test(`a key encrypts, decrypts, wraps and unwraps with ${algorithm}`, async (t) => {
    const { keys, cryptography, call } = await keyClients(t)
    const key = await keys.createRsaKey('rsa')
    const client = cryptography(key)
    const { result: encrypted } = await client.encrypt({ algorithm, plaintext: message })
    const { value: encryptedThere } = await call(key, 'encrypt', {
      alg: algorithm,
      value: message.toString('base64url'),
    })
    for (const ciphertext of [encrypted, Buffer.from(encryptedThere, 'base64url')]) {
      assert.deepEqual(Buffer.from((await client.decrypt({ algorithm, ciphertext })).result), message)
    }
    const { result: wrapped } = await client.wrapKey(algorithm, message)
    const { value: wrappedThere } = await call(key, 'wrapkey', { alg: algorithm, value: message.toString('base64url') })
    for (const each of [wrapped, Buffer.from(wrappedThere, 'base64url')]) {
      assert.deepEqual(Buffer.from((await client.unwrapKey(algorithm, each)).result), message)
    }
    // OpenSSL answers damaged PKCS #1 v1.5 with noise, which reveals nothing to an attacker.
    if (algorithm === 'RSA1_5') return
    await assert.rejects(client.decrypt({ algorithm, ciphertext: Buffer.alloc(256) }), { code: 'BadParameter' })
  })
}

const digests = {
  RS256: 'sha256',
  RS384: 'sha384',
  RS512: 'sha512',
  PS256: 'sha256',
  PS384: 'sha384',
  PS512: 'sha512',
} as const

test('the client, OpenSSL and the vault verify RSA signatures, PKCS #1 and PSS', async (t) => {
  const { keys, cryptography, call } = await keyClients(t)
  const key = await keys.createRsaKey('rsa')
  const client = cryptography(key)
  for (const [algorithm, hash] of Object.entries(digests) as [keyof typeof digests, string][]) {
    const digest = createHash(hash).update(message).digest()
    const { result: signature } = await client.sign(algorithm, digest)
    const padding = algorithm.startsWith('RS') ? constants.RSA_PKCS1_PADDING : constants.RSA_PKCS1_PSS_PADDING
    assert.ok(verify(hash, message, { key: publicKeyOf(key), padding }, signature), algorithm)
    const value = Buffer.from(signature).toString('base64url')
    for (const [text, expected] of [
      [message, true],
      ['another', false],
    ] as const) {
      const presented = createHash(hash).update(text).digest()
      assert.equal((await client.verify(algorithm, presented, signature)).result, expected, algorithm)
      const there = await call(key, 'verify', { alg: algorithm, digest: presented.toString('base64url'), value })
      assert.equal(there.value, expected, algorithm)
    }
  }
})

const curves = [
  ['P-256', 'ES256', 'sha256'],
  ['P-256K', 'ES256K', 'sha256'],
  ['P-384', 'ES384', 'sha384'],
  ['P-521', 'ES512', 'sha512'],
] as const

for (const [curve, algorithm, hash] of curves) {
  test(`OpenSSL and the vault verify what a key of ${curve} signs`, async (t) => {
    const { keys, cryptography, call } = await keyClients(t)
    const key = await keys.createEcKey('ec', { curve })
    const client = cryptography(key)
    const digest = createHash(hash).update(message).digest()
    const { result: signature } = await client.sign(algorithm, digest)
    assert.ok(verify(hash, message, { key: publicKeyOf(key), dsaEncoding: 'ieee-p1363' }, signature))
    const verifyThere = async () => {
      const value = Buffer.from(signature).toString('base64url')
      return (await call(key, 'verify', { alg: algorithm, digest: digest.toString('base64url'), value })).value
    }
    assert.equal(await verifyThere(), true)
    signature[5] = (signature[5] ?? 0) ^ 1
    assert.equal(await verifyThere(), false)
    await assert.rejects(client.sign('RS256', createHash('sha256').update(message).digest()), /incompatible/)
  })
}

/** In the form of the SDK, with bytes instead of base64. */
function jwkOf(key: KeyObject): JsonWebKey {
  const fields = Object.entries(key.export({ format: 'jwk' }))
  const binary = fields.map(([name, value]) => [name, name === 'kty' ? value : Buffer.from(String(value), 'base64url')])
  return Object.fromEntries(binary) as JsonWebKey
}

test('an imported key decrypts what was encrypted with its public half elsewhere', async (t) => {
  const { keys, cryptography } = await keyClients(t)
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = await keys.importKey('mine', jwkOf(privateKey))
  const ciphertext = publicEncrypt({ key: publicKey, oaepHash: 'sha256' }, message)
  const { result } = await cryptography(key).decrypt({ algorithm: 'RSA-OAEP-256', ciphertext })
  assert.deepEqual(Buffer.from(result), message)
})

test('a key permits only its operations, and none while it is disabled or outside of its validity', async (t) => {
  const { keys, cryptography, call } = await keyClients(t)
  const value = createHash('sha256').update(message).digest('base64url')
  const refusal = async (key: KeyVaultKey) => {
    const { status, error } = await call(key, 'sign', { alg: 'RS256', value })
    return [status, error.innererror.code]
  }
  const verifier = await keys.createRsaKey('verifier', { keyOps: ['verify'] })
  assert.deepEqual(await refusal(verifier), [403, 'KeyOperationForbidden'])
  assert.deepEqual(await refusal(await keys.createRsaKey('disabled', { enabled: false })), [403, 'KeyDisabled'])
  const past = new Date(Date.now() - 60_000)
  const future = new Date(Date.now() + 3_600_000)
  assert.deepEqual(await refusal(await keys.createRsaKey('ended', { expiresOn: past })), [403, 'KeyExpired'])
  assert.deepEqual(await refusal(await keys.createRsaKey('early', { notBefore: future })), [403, 'KeyNotYetValid'])
  const { result: ciphertext } = await cryptography(await keys.createRsaKey('open')).encrypt({
    algorithm: 'RSA-OAEP',
    plaintext: message,
  })
  await keys.updateKeyProperties('open', { expiresOn: past })
  const opened = await call(await keys.getKey('open'), 'decrypt', {
    alg: 'RSA-OAEP',
    value: Buffer.from(ciphertext).toString('base64url'),
  })
  assert.deepEqual(Buffer.from(opened.value, 'base64url'), message)
})

test('rotateKey creates a new version of the same type', async (t) => {
  const { keys } = await keyClients(t)
  const first = await keys.createEcKey('ec', { curve: 'P-384', tags: { team: 'shop' } })
  const second = await keys.rotateKey('ec')
  assert.notDeepEqual(second.key?.x, first.key?.x)
  assert.deepEqual([second.key?.crv, second.properties.tags], ['P-384', { team: 'shop' }])
})

test('a key with a release policy is refused as not implemented, not created without it', async (t) => {
  const { keys } = await keyClients(t)
  const releasePolicy = { encodedPolicy: Buffer.from('{}') }
  await assert.rejects(keys.createRsaKey('rsa', { exportable: true, releasePolicy }), { code: 'NotImplemented' })
  await assert.rejects(keys.getKey('rsa'), { code: 'KeyNotFound' })
})

test('a key of a size that Key Vault does not have is refused, created or imported', async (t) => {
  const { keys } = await keyClients(t)
  const message = 'Unsupported key size (1024). Supported sizes are [2048, 3072, 4096]'
  await assert.rejects(keys.createRsaKey('small', { keySize: 1024 }), { code: 'BadParameter', message })
  await assert.rejects(keys.importKey('small', jwkOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey)), {
    code: 'BadParameter',
    message,
  })
})
