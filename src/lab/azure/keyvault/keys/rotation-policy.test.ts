import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dueOf, expiryOf, parseRotationPolicy, type RotationPolicy } from './rotation-policy.ts'

const rotate = (trigger: object) => ({ trigger, action: { type: 'rotate' } })
const notify = (trigger: object) => ({ trigger, action: { type: 'Notify' } })

test('parseRotationPolicy() accepts what Key Vault accepts, in either case', () => {
  const lifetimeActions = [rotate({ timeAfterCreate: 'P30D' }), notify({ timeBeforeExpiry: 'P10D' })]
  assert.deepEqual(parseRotationPolicy({ attributes: { expiryTime: 'P1Y' }, lifetimeActions }), {
    expiryTime: 'P1Y',
    lifetimeActions: [
      { trigger: { timeAfterCreate: 'P30D' }, action: { type: 'Rotate' } },
      { trigger: { timeBeforeExpiry: 'P10D' }, action: { type: 'Notify' } },
    ],
  })
  assert.deepEqual(parseRotationPolicy({}), { expiryTime: undefined, lifetimeActions: [] })
})

const refused: [what: string, expiryTime: string | undefined, actions: object[], problem: RegExp][] = [
  ['a validity that is too short', 'P27D', [], /at least 28 days/],
  ['a text that is not a duration', '90 days', [], /ISO 8601/],
  ['no trigger', 'P90D', [rotate({})], /one of timeAfterCreate and timeBeforeExpiry/],
  ['both triggers', 'P90D', [rotate({ timeAfterCreate: 'P30D', timeBeforeExpiry: 'P30D' })], /one of/],
  ['a rotation every day', undefined, [rotate({ timeAfterCreate: 'P1D' })], /at least 7 days/],
  ['a rotation after the expiry', 'P90D', [rotate({ timeAfterCreate: 'P89D' })], /7 days before expiryTime/],
  [
    'a rotation before an expiry that is not set',
    undefined,
    [rotate({ timeBeforeExpiry: 'P30D' })],
    /needs an expiryTime/,
  ],
  ['a rotation before the creation', 'P30D', [rotate({ timeBeforeExpiry: 'P30D' })], /less than 7 days/],
  ['a notification after creation', undefined, [notify({ timeAfterCreate: 'P30D' })], /timeBeforeExpiry only/],
  ['two rotations', 'P90D', [rotate({ timeAfterCreate: 'P30D' }), rotate({ timeAfterCreate: 'P40D' })], /once/],
]

for (const [what, expiryTime, lifetimeActions, problem] of refused) {
  test(`parseRotationPolicy() refuses ${what}`, () => {
    assert.throws(() => parseRotationPolicy({ attributes: { expiryTime }, lifetimeActions }), problem)
  })
}

test('dueOf() counts from the creation or from the expiry of the version', () => {
  const day = 24 * 3600
  const of = (rotationPolicy: RotationPolicy | undefined, exp?: number) => ({
    created: 1000 * day,
    exp,
    payload: { kty: 'EC' as const, jwk: {}, operations: [], rotationPolicy },
  })
  const policy = (trigger: RotationPolicy['lifetimeActions'][number]['trigger']): RotationPolicy => ({
    lifetimeActions: [{ trigger, action: { type: 'Rotate' } }],
    created: 0,
    updated: 0,
  })
  assert.equal(dueOf(of(policy({ timeAfterCreate: 'P30D' })), 'Rotate'), 1030 * day)
  assert.equal(dueOf(of(policy({ timeBeforeExpiry: 'P30D' }), 1090 * day), 'Rotate'), 1060 * day)
  assert.equal(dueOf(of(policy({ timeBeforeExpiry: 'P30D' })), 'Rotate'), undefined)
  // Without a policy, Key Vault notifies thirty days before the expiry and rotates nothing.
  assert.equal(dueOf(of(undefined, 1090 * day), 'Notify'), 1060 * day)
  assert.equal(dueOf(of(undefined, 1090 * day), 'Rotate'), undefined)
  assert.equal(expiryOf({ ...policy({ timeAfterCreate: 'P30D' }), expiryTime: 'P90D' }, 1000 * day), 1090 * day)
})
