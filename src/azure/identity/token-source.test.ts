import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SecretValue } from '#lib'
import { createManualClock, type ManualClock } from '../../../test/support/manual-clock.ts'
import type { AccessToken } from './access-token.ts'
import { findCloud } from './cloud.ts'
import { IdentityError, type IdentityErrorCode } from './identity-error.ts'
import { createTokenSource, type TokenSourceOptions } from './token-source.ts'
import type { Credential } from './ways/index.ts'

const minute = 60_000
const cloud = findCloud('')
assert.ok(cloud)
const request = { cloud, resource: 'https://vault.azure.net' }
const credential: Credential = {
  kind: 'service-principal',
  tenantId: 'tenant',
  clientId: 'client',
  proof: { kind: 'secret', secret: SecretValue.of('x') },
}

/** A source whose tokens are numbered and last an hour. `entra.answer` is what the next sign-ins give. */
function startSource(options: Partial<TokenSourceOptions> = {}) {
  const clock = createManualClock()
  let count = 0
  const entra: { answer: 'ok' | 'hangs' | IdentityErrorCode; asked: number } = { answer: 'ok', asked: 0 }
  const acquire = async (): Promise<AccessToken> => {
    entra.asked++
    if (entra.answer === 'hangs') await new Promise((resolve) => clock.after(30_000, () => resolve(undefined)))
    else if (entra.answer !== 'ok') {
      const retryable = ['entra-throttled', 'entra-unreachable'].includes(entra.answer)
      throw new IdentityError(entra.answer, 'why', { retryable })
    }
    return { token: SecretValue.of(`token ${++count}`), expiresAt: clock.now() + 60 * minute }
  }
  const source = createTokenSource({ acquire, clock, ...options })
  const get = async () => {
    try {
      return (await settled(clock, source.get('me', credential, request))).token.revealText()
    } catch (error) {
      return (error as IdentityError).code
    }
  }
  return { clock, entra, get, heldMs: () => source.heldMs('me', request) }
}

/** A source that has a token, and asks for another one at the next call. */
async function startUsedSource(options: Partial<TokenSourceOptions> = {}) {
  const source = startSource(options)
  await source.get()
  await source.clock.advance(10 * minute)
  return source
}

/** Lets time pass, in steps of a second, until the call has ended. */
async function settled<T>(clock: ManualClock, call: Promise<T>): Promise<T> {
  let isOver = false
  const end = () => {
    isOver = true
  }
  call.then(end, end)
  await clock.advance(0)
  while (!isOver) await clock.advance(1000)
  return call
}

test('a token is used for ten minutes, and another one is asked for after that', async () => {
  const { clock, entra, get } = startSource()
  assert.equal(await get(), 'token 1')
  await clock.advance(10 * minute - 1)
  assert.equal(await get(), 'token 1')
  await clock.advance(1)
  assert.equal(await get(), 'token 2')
  assert.equal(entra.asked, 2)
})

test('a token is used on while Entra throttles or cannot answer, asked again once a minute, until five minutes before its end', async () => {
  for (const answer of ['entra-throttled', 'entra-unreachable'] as const) {
    const { clock, entra, get } = startSource()
    await get()
    entra.answer = answer
    entra.asked = 0
    for (let i = 10; i < 55; i++) {
      await clock.advance(i === 10 ? 10 * minute : minute)
      assert.equal(await get(), 'token 1')
      assert.equal(await get(), 'token 1')
    }
    assert.ok(entra.asked >= 40 && entra.asked <= 45, `${entra.asked}`)
    await clock.advance(minute)
    assert.equal(await get(), answer)
    entra.answer = 'ok'
    assert.equal(await get(), 'token 2')
  }
})

test('a refusal ends a token at once', async () => {
  const { entra, get } = await startUsedSource()
  entra.answer = 'entra-subject-mismatch'
  assert.equal(await get(), 'entra-subject-mismatch')
  entra.answer = 'entra-unreachable'
  assert.equal(await get(), 'entra-unreachable')
})

test('a caller with a valid token waits five seconds for a newer one, which serves the next caller', async () => {
  const { clock, entra, get } = await startUsedSource()
  entra.answer = 'hangs'
  const before = clock.elapsed()
  assert.equal(await get(), 'token 1')
  assert.ok(clock.elapsed() - before <= 6000)
  await clock.advance(30_000)
  assert.equal(await get(), 'token 2')
})

test('a token is used longer by the load of its application', async () => {
  let load = 2
  const applications = new Set<string>()
  const loadOf = (application: string) => {
    applications.add(application)
    return load
  }
  const { clock, get } = startSource({ loadOf })
  await get()
  await clock.advance(30 * minute - 1)
  assert.equal(await get(), 'token 1')
  await clock.advance(1)
  load = 0
  assert.equal(await get(), 'token 2')
  await clock.advance(9 * minute)
  load = 1
  await clock.advance(10 * minute)
  assert.equal(await get(), 'token 2', 'also by the load that came after it')
  load = 0
  assert.equal(await get(), 'token 3')
  assert.deepEqual([...applications], ['/tenant/oauth2/v2.0/token client'])
})

test('a source reports for how long it gives a token without a sign-in', async () => {
  const { clock, get, heldMs } = startSource()
  assert.equal(heldMs(), 0)
  await get()
  assert.equal(heldMs(), 10 * minute)
  await clock.advance(9 * minute)
  assert.equal(heldMs(), minute)
  await clock.advance(minute)
  assert.equal(heldMs(), 0, 'it is valid, but the next call asks for another one')
  const busy = startSource({ loadOf: () => 9 })
  await busy.get()
  assert.equal(busy.heldMs(), 55 * minute, 'by the load, until five minutes before its end')
  const none = startSource({ holdMs: 0 })
  await none.get()
  assert.equal(none.heldMs(), 0)
})

test('without a time to hold tokens, each call gets one of its own', async () => {
  const { entra, get } = startSource({ holdMs: 0 })
  assert.deepEqual([await get(), await get()], ['token 1', 'token 2'])
  assert.equal(entra.asked, 2)
})
