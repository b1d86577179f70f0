import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createManualClock } from '../../../../test/support/manual-clock.ts'
import { type HeldTokens, rememberToken } from './held-tokens.ts'

test('what has ended is forgotten, and a provider that names very many identities has the newest thousand remembered', async () => {
  const clock = createManualClock()
  const tokens: HeldTokens = new Map()
  assert.equal(rememberToken(tokens, undefined, clock), undefined)
  assert.equal(rememberToken(tokens, { identity: 'short', ms: 10 }, clock), 'short')
  await clock.advance(10)
  for (let index = 0; index < 1500; index++) rememberToken(tokens, { identity: `${index}`, ms: 1000 }, clock)
  assert.equal(tokens.size, 1000)
  assert.equal(tokens.get('1499'), 1010 + clock.elapsed() - 10)
  assert.equal(tokens.has('short') || tokens.has('499'), false)
})
