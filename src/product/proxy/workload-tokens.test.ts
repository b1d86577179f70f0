import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Credential, findCloud, IdentityError, type TokenRequest } from '#azure/identity'
import { SecretValue, silentLog } from '#lib'
import { createManualClock } from '../../../test/support/manual-clock.ts'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { createWorkloadTokens } from './workload-tokens.ts'

const minute = 60_000
const request = { clientId: 'client', resource: 'https://vault.azure.net' }

/** Tokens that name their exchange and its service account token; each is valid for an hour. */
function setting(t: TestContext, options: { tokenFile?: string } = {}) {
  const directory = temporaryDirectory(t)
  const file = join(directory, 'token')
  writeFileSync(file, 'first\n')
  const clock = createManualClock()
  const cloud = findCloud('')
  assert.ok(cloud !== undefined)
  let exchanges = 0
  const state = { failure: undefined as Error | undefined }
  const tokens = createWorkloadTokens({
    async acquire(credential: Credential, { resource }: TokenRequest) {
      if (state.failure !== undefined) throw state.failure
      const presented = credential.kind === 'workload' ? credential.assertion.token.revealText() : ''
      exchanges++
      const token = SecretValue.of(`${exchanges} ${presented} ${resource}`)
      return { token, expiresAt: clock.now() + 60 * minute }
    },
    tenantId: 'tenant',
    cloud,
    tokenFile: options.tokenFile ?? file,
    holdMs: 10 * minute,
    clock,
    log: silentLog,
  })
  const get = async (wanted = request) => (await tokens.get(wanted)).token.revealText()
  return { get, clock, state, present: (text: string) => writeFileSync(file, text) }
}

test('get() gives a held token until its time is over, then a new one for the service account token of then', async (t) => {
  const { get, clock, present } = setting(t)
  assert.equal(await get(), '1 first https://vault.azure.net')
  present('second')
  await clock.advance(10 * minute - 1)
  assert.equal(await get(), '1 first https://vault.azure.net')
  await clock.advance(1)
  assert.equal(await get(), '2 second https://vault.azure.net')
})

test('get() distinguishes clients and resources', async (t) => {
  const { get } = setting(t)
  const other = await get({ ...request, resource: 'https://vault.azure.net/.default' })
  assert.notEqual(await get(), other)
  assert.notEqual(await get({ ...request, clientId: 'other' }), await get())
})

test('get() joins callers that ask at the same time', async (t) => {
  const { get } = setting(t)
  assert.equal(new Set(await Promise.all(Array.from({ length: 10 }, () => get()))).size, 1)
})

test('get() goes on with a token that is valid while Entra is away, not with one that is about to end', async (t) => {
  const { get, clock, state } = setting(t)
  const held = await get()
  state.failure = new IdentityError('entra-unreachable', 'away', { retryable: true })
  await clock.advance(54 * minute)
  assert.equal(await get(), held)
  await clock.advance(minute)
  await assert.rejects(get(), /away/)
})

test('get() does not go on with a token that Entra would no longer give', async (t) => {
  const { get, clock, state } = setting(t)
  await get()
  state.failure = new IdentityError('entra-no-federated-credential', 'taken away')
  await clock.advance(10 * minute)
  await assert.rejects(get(), /taken away/)
})

test('get() holds a bounded number of tokens', async (t) => {
  const { get } = setting(t)
  const first = await get()
  for (let i = 0; i < 128; i++) await get({ ...request, resource: `https://${i}.example` })
  assert.notEqual(await get(), first)
})

test('get() names the variable when there is no service account token', async (t) => {
  const { get } = setting(t, { tokenFile: '/nowhere' })
  await assert.rejects(get(), /AZURE_FEDERATED_TOKEN_FILE.*\/nowhere/)
})
