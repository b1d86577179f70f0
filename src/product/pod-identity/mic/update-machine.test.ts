import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AzureRestError, type AzureService } from '#azure/rest'
import { systemClock } from '#lib'
import type { Machine } from './machine.ts'
import { createMicMetrics } from './mic-metrics.ts'
import { createMachineUpdater, refusedIds } from './update-machine.ts'

const prefix = '/subscriptions/s/resourcegroups/g/providers/microsoft.managedidentity/userassignedidentities'
const id = (name: string) => `${prefix}/${name}`
const refusal = (text: string, code = 'LinkedAuthorizationFailed') =>
  new AzureRestError('PATCH', { status: 403, code, text })

test('refusedIds() finds the identities that Azure names: one, two in one quoted text, none, and none without an error', () => {
  const rows: [unknown, string[]][] = [
    [refusal(`does not have permission on the linked scope(s) '${id('a')}' (respectively)`), ['a']],
    [refusal(`on the linked scope(s) '${id('a')},${id('b').toUpperCase()}' or`), ['a', 'b']],
    [refusal(`Resource '${id('a')}' was not found.`, 'FailedIdentityOperation'), ['a']],
    [refusal('something else'), []],
    [refusal(`the machine '${id('a')}'`, 'TooManyRequests'), []],
    [new Error(id('a')), []],
    [undefined, []],
  ]
  for (const [error, names] of rows) assert.deepEqual(refusedIds(error), names.map(id))
})

interface Call {
  method: 'GET' | 'PATCH'
  ids?: Record<string, unknown>
}

/** A machine behind Resource Manager, which refuses some identities. */
function machineWith(
  state: string[],
  { refused = [], provisioningState = 'Succeeded' }: { refused?: string[]; provisioningState?: string } = {},
) {
  const calls: Call[] = []
  const has = new Set(state.map(id))
  const resourceManager = {
    async find() {
      calls.push({ method: 'GET' })
      const userAssignedIdentities = Object.fromEntries([...has].map((one) => [one, {}]))
      return { identity: { type: 'UserAssigned', userAssignedIdentities }, properties: { provisioningState } }
    },
    async patch(_path: string, body: { identity: { userAssignedIdentities: Record<string, unknown> } }) {
      const ids = body.identity.userAssignedIdentities
      calls.push({ method: 'PATCH', ids })
      // Azure names one of them.
      const wrong = Object.keys(ids).find((one) => refused.map(id).includes(one))
      if (wrong !== undefined) throw refusal(`the linked scope(s) '${wrong}'`)
      for (const [one, value] of Object.entries(ids)) {
        if (value === null) has.delete(one)
        else has.add(one)
      }
    },
  } as unknown as AzureService
  const updater = createMachineUpdater({
    resourceManager,
    metrics: createMicMetrics(),
    clock: systemClock,
    maxRetry: 2,
    retryMs: 1,
  })
  /** The owner of an identity is what its name begins with, up to the dash. */
  const ownerOf = (one: string) => one.slice(prefix.length + 1).split('-')[0] ?? ''
  const update = async (kind: Machine['kind'], delta: { add?: string[]; remove?: string[] }) => {
    const { add = [], remove = [] } = delta
    const outcome = await updater.update(
      { kind, id: '/machine' },
      { add: add.map(id), remove: remove.map(id) },
      ownerOf,
    )
    const ids = outcome.ids === undefined ? undefined : [...outcome.ids].map((one) => one.slice(prefix.length + 1))
    return { ids: ids?.toSorted(), error: outcome.error, errorOf: (name: string) => outcome.errorOf(id(name)) }
  }
  const accept = (name: string) => refused.splice(refused.indexOf(name), 1)
  return { calls, update, accept }
}

for (const kind of ['vm', 'vmss'] as const) {
  test(`update() of a ${kind} reads what there is, and sends what is missing`, async () => {
    const { calls, update } = machineWith(['a'])
    const { ids, error } = await update(kind, { add: ['b', 'c'], remove: ['a'] })
    assert.deepEqual([ids, error], [['b', 'c'], undefined])
    assert.deepEqual(
      calls.map(({ method }) => method),
      ['GET', 'PATCH'],
    )
  })

  test(`update() of a ${kind} with nothing to do makes no call`, async () => {
    const { calls, update } = machineWith(['a'])
    await update(kind, {})
    assert.deepEqual(calls, [])
  })
}

test('update() retries without the identities that Azure refuses, and reports the refusal of each', async () => {
  const { calls, update } = machineWith([], { refused: ['bad'] })
  const { ids, error, errorOf } = await update('vmss', { add: ['good', 'bad'] })
  assert.deepEqual(ids, ['good'])
  assert.ok(error instanceof AzureRestError)
  assert.match(String(errorOf('bad')), /userassignedidentities\/bad/)
  assert.deepEqual(Object.keys(calls.at(-1)?.ids ?? {}), [id('good')])
})

test('more refused identities than retries keep those of other namespaces off a machine in no cycle', async () => {
  const bad = Array.from({ length: 30 }, (_, i) => `team-bad-${i}`)
  const { update } = machineWith(['old'], { refused: [...bad] })
  const { ids, error } = await update('vmss', { add: [...bad, 'other-good', 'third-good'], remove: ['old'] })
  assert.deepEqual(ids, ['other-good', 'third-good'])
  assert.ok(error instanceof AzureRestError)
})

test('nor do they keep out those of their own namespace: at the latest the next cycle assigns these', async () => {
  const bad = Array.from({ length: 10 }, (_, i) => `team-bad-${i}`)
  const { update } = machineWith([], { refused: [...bad] })
  const add = [...bad, 'team-good']
  await update('vmss', { add })
  assert.deepEqual((await update('vmss', { add })).ids, ['team-good'])
})

test('an identity that was refused travels by itself from then on, and is assigned when Azure accepts it', async () => {
  const bad = ['bad-a', 'bad-b', 'bad-c', 'bad-d', 'bad-e', 'bad-f', 'bad-g']
  const { update, calls, accept } = machineWith([], { refused: [...bad] })
  await update('vmss', { add: [...bad] })
  calls.length = 0
  await update('vmss', { add: [...bad, 'good'] })
  const patches = calls.flatMap(({ ids }) => (ids === undefined ? [] : [Object.keys(ids)]))
  assert.deepEqual(patches[0], [id('good')])
  assert.deepEqual(
    patches.slice(1).map(({ length }) => length),
    [1, 1, 1, 1, 1],
    'a bounded number of them in one cycle',
  )
  accept('bad-g')
  const outcomes = [await update('vmss', { add: bad }), await update('vmss', { add: bad })]
  assert.deepEqual(outcomes.at(-1)?.ids, ['bad-g', 'good'], 'each has its turn')
  assert.ok(outcomes.at(-1)?.error instanceof AzureRestError)
})

test('update() reports what the machine has when Azure refuses for another reason', async () => {
  const { update } = machineWith(['a'], { refused: ['x'] })
  const { ids, error } = await update('vm', { remove: ['a'], add: ['x'] })
  assert.deepEqual(ids, [])
  assert.ok(error instanceof AzureRestError)
})

test('update() does not change a machine that is being deleted', async () => {
  const { calls, update } = machineWith(['a'], { provisioningState: 'Deleting' })
  const { ids, error } = await update('vm', { remove: ['a'] })
  assert.deepEqual([ids, error], [[], undefined])
  assert.equal(calls.length, 1)
})
