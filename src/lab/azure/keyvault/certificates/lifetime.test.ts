import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lifetimeActionSchema, renewalOf } from './lifetime.ts'
import { completePolicy } from './policy.ts'

const times = { nbf: 1000, exp: 1000 + 100 * 24 * 3600 }
const policyWith = (issuer: string, trigger?: object) =>
  completePolicy({
    issuer: { name: issuer },
    lifetime_actions: trigger && [lifetimeActionSchema.parse({ trigger, action: { action_type: 'AutoRenew' } })],
  })

test('renewalOf() reads percentages of the validity and days before the expiry', () => {
  assert.equal(renewalOf(policyWith('Self'), times), 1000 + 80 * 24 * 3600)
  assert.equal(renewalOf(policyWith('Self', { lifetime_percentage: 50 }), times), 1000 + 50 * 24 * 3600)
  assert.equal(renewalOf(policyWith('Self', { days_before_expiry: 10 }), times), 1000 + 90 * 24 * 3600)
})

test('renewalOf() renews only self-signed certificates', () => {
  assert.equal(renewalOf(policyWith('Unknown'), times), undefined)
  assert.equal(renewalOf(policyWith('DigiCert'), times), undefined)
})

test('a lifetime action has one trigger', () => {
  const parse = (trigger: object) => lifetimeActionSchema.safeParse({ trigger, action: { action_type: 'AutoRenew' } })
  assert.equal(parse({}).success, false)
  assert.equal(parse({ lifetime_percentage: 50, days_before_expiry: 10 }).success, false)
  assert.equal(parse({ lifetime_percentage: 100 }).success, false)
})
