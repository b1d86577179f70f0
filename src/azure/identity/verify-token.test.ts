import assert from 'node:assert/strict'
import { createSign, generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from 'node:crypto'
import { test } from 'node:test'
import { SecretValue } from '#lib'
import { createManualClock } from '../../../test/support/manual-clock.ts'
import { readTokenClaims } from './service-account-token.ts'
import { createTokenVerifier } from './verify-token.ts'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 })

function jwk(key: KeyObject, kid: string): JsonWebKey & { kid: string } {
  return { ...key.export({ format: 'jwk' }), kid }
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function tokenOf(options: { alg?: string; kid?: string; exp?: number; key?: KeyObject; signature?: string }) {
  const { alg = 'RS256', kid = 'rsa', exp = 2_000_000_000, key = rsa.privateKey } = options
  const signed = `${encode({ alg, kid })}.${encode({ iss: 'https://cluster', sub: 'system:serviceaccount:a:b', aud: ['x'], exp })}`
  const signature =
    options.signature ??
    (alg === 'ES256'
      ? sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
      : createSign('sha256').update(signed).sign(key, 'base64url'))
  const text = `${signed}.${signature}`
  return { token: SecretValue.of(text), claims: readTokenClaims(text) }
}

function verifier(keys: () => readonly (JsonWebKey & { kid: string })[]) {
  const clock = createManualClock(1_900_000_000_000)
  let fetches = 0
  const fetchKeys = async () => {
    fetches++
    return keys()
  }
  return { clock, ...createTokenVerifier({ fetchKeys, clock }), fetches: () => fetches }
}

test('a token is vouched for when the cluster signed it and it is valid now', async () => {
  const { verify, fetches } = verifier(() => [jwk(rsa.publicKey, 'rsa'), jwk(ec.publicKey, 'ec')])
  assert.equal(await verify(tokenOf({})), true)
  assert.equal(await verify(tokenOf({ alg: 'ES256', kid: 'ec', key: ec.privateKey })), true)
  assert.equal(fetches(), 1)
})

test('nothing else is vouched for', async () => {
  const { verify } = verifier(() => [jwk(rsa.publicKey, 'rsa'), jwk(ec.publicKey, 'ec')])
  for (const [name, token] of Object.entries({
    'signed by a stranger': tokenOf({ key: stranger.privateKey }),
    'not signed': tokenOf({ signature: '' }),
    'with the algorithm "none"': tokenOf({ alg: 'none', signature: '' }),
    'with a symmetric algorithm': tokenOf({ alg: 'HS256' }),
    'with the name of another key': tokenOf({ kid: 'ec' }),
    'with an algorithm of another key': tokenOf({ alg: 'ES256', kid: 'rsa', key: ec.privateKey }),
    'from the past': tokenOf({ exp: 1_800_000_000 }),
    'without an end': { ...tokenOf({}), claims: { ...tokenOf({}).claims, expiresAt: undefined } },
    'no JWT': { token: SecretValue.of('token'), claims: readTokenClaims('token') },
  })) {
    assert.equal(await verify(token), false, name)
  }
})

test('new keys of the cluster are noticed, and invented key ids do not make requests', async () => {
  let keys = [jwk(rsa.publicKey, 'rsa')]
  const { verify, clock, fetches } = verifier(() => keys)
  assert.equal(await verify(tokenOf({})), true)
  keys = [jwk(stranger.publicKey, 'new')]
  const rolled = tokenOf({ kid: 'new', key: stranger.privateKey })
  for (let i = 0; i < 50; i++) assert.equal(await verify(rolled), false)
  assert.equal(fetches(), 1)
  await clock.advance(30_001)
  assert.equal(await verify(rolled), true)
  assert.equal(await verify(tokenOf({})), false, 'the old key is gone')
  assert.equal(fetches(), 2)
})

test('without keys no token is verified, and they are fetched again', async () => {
  let reachable = false
  const { verify, clock } = verifier(() => {
    if (!reachable) throw new Error('no API server')
    return [jwk(rsa.publicKey, 'rsa')]
  })
  assert.equal(await verify(tokenOf({})), false)
  reachable = true
  await clock.advance(30_001)
  assert.equal(await verify(tokenOf({})), true)
})

test('keys that were read before the first token serve it', async () => {
  const { verify, prepare, fetches } = verifier(() => [jwk(rsa.publicKey, 'rsa')])
  await prepare()
  assert.equal(await verify(tokenOf({})), true)
  assert.equal(fetches(), 1)
})
