import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createLocalJWKSet, jwtVerify, SignJWT } from 'jose'
import { runCli } from '../support/run-cli.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

function writeKey(directory: string, name: string, key: KeyObject): string {
  const path = join(directory, name)
  const type =
    key.type === 'public' ? ({ type: 'spki', format: 'pem' } as const) : ({ type: 'pkcs8', format: 'pem' } as const)
  writeFileSync(path, key.export(type))
  return path
}

/** As kube-apiserver names its keys, by the public key's DER. */
const keyId = (key: KeyObject) =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64url')

const jwks = (...words: string[]) => runCli(['identity', 'jwks', ...words])

test('azwi: jwks: no keys', async () => {
  const { code, stderr } = await jwks()
  assert.equal(code, 2)
  assert.match(stderr, /--public-keys is required/)
})

test('azwi: jwks: an RSA public key file gives the exact JSON and kid', async (t) => {
  const directory = temporaryDirectory(t)
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { n, e } = publicKey.export({ format: 'jwk' })
  const { code, stdout } = await jwks('--public-keys', writeKey(directory, 'sa.pub', publicKey))
  assert.equal(code, 0)
  const lines = [
    '{',
    '  "keys": [',
    '    {',
    '      "use": "sig",',
    '      "kty": "RSA",',
    `      "kid": "${keyId(publicKey)}",`,
    '      "alg": "RS256",',
    `      "n": "${n}",`,
    `      "e": "${e}"`,
    '    }',
    '  ]',
    '}',
  ]
  assert.equal(stdout, lines.join('\n'))
})

test('jwks takes private keys and elliptic curves, and a token of each key verifies against it', async (t) => {
  const directory = temporaryDirectory(t)
  const pairs = {
    RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    ES512: generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  }
  const paths = Object.entries(pairs).map(([alg, { privateKey }]) => writeKey(directory, `${alg}.pem`, privateKey))
  const file = join(directory, 'jwks.json')
  const { code, stderr } = await jwks(
    '--public-keys',
    paths.slice(0, 2).join(','),
    '--public-keys',
    ...paths.slice(2, 3),
    '--public-keys',
    ...paths.slice(3),
    '--output-file',
    file,
  )
  assert.equal(code, 0, stderr)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  const text = readFileSync(file, 'utf8')
  assert.doesNotMatch(text, /"d"|"p"|"q"/)
  const keySet = createLocalJWKSet(JSON.parse(text))
  for (const [alg, { privateKey, publicKey }] of Object.entries(pairs)) {
    const token = await new SignJWT({}).setProtectedHeader({ alg, kid: keyId(publicKey) }).sign(privateKey)
    await jwtVerify(token, keySet)
  }
})

test('jwks names the file that holds no key', async (t) => {
  const path = join(temporaryDirectory(t), 'empty.pem')
  writeFileSync(path, 'nothing')
  const { code, stderr } = await jwks('--public-keys', path)
  assert.equal(code, 2)
  assert.match(stderr, /empty\.pem: found no PEM block/)
})

test('jwks writes both documents of an issuer, and keeps its URL as it is', async (t) => {
  const directory = temporaryDirectory(t)
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = writeKey(directory, 'sa.pub', publicKey)
  const out = join(directory, 'site')
  const issuer = 'https://account.blob.core.windows.net/oidc/'
  const both = await jwks('--public-keys', key, '--issuer-url', issuer, '--output-dir', out)
  assert.equal(both.code, 0, both.stderr)
  const discovery = JSON.parse(readFileSync(join(out, '.well-known/openid-configuration'), 'utf8'))
  assert.equal(discovery.issuer, issuer)
  assert.equal(discovery.jwks_uri, 'https://account.blob.core.windows.net/oidc/openid/v1/jwks')
  const { keys } = JSON.parse(readFileSync(join(out, 'openid/v1/jwks'), 'utf8'))
  assert.equal(keys[0].kid, keyId(publicKey))

  const alone = await jwks('--public-keys', key, '--issuer-url', 'http://plain')
  assert.equal(alone.code, 2)
  assert.match(alone.stderr, /must be given together\n.*expected a URL that begins with https/)
})
