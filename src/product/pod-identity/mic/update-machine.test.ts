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

/** A machine behind Resource Manager that refuses some identities. */
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
      const wrong = Object.keys(ids).filter((one) => refused.map(id).includes(one))
      if (wrong.length > 0) throw refusal(`the linked scope(s) '${wrong.join(',')}'`)
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
  const update = async (kind: Machine['kind'], delta: { add?: string[]; remove?: string[] }) => {
    const { add = [], remove = [] } = delta
    const outcome = await updater.update({ kind, id: '/machine' }, { add: add.map(id), remove: remove.map(id) })
    const ids = outcome.ids === undefined ? undefined : [...outcome.ids].map((one) => one.slice(prefix.length + 1))
    return { ids: ids?.toSorted(), error: outcome.error }
  }
  return { calls, update }
}

for (const kind of ['vm', 'vmss'] as const) {
  test(`update() of a ${kind} asks what there is, and sends what is missing`, async () => {
    const { calls, update } = machineWith(['a'])
    assert.deepEqual(await update(kind, { add: ['b', 'c'], remove: ['a'] }), { ids: ['b', 'c'], error: undefined })
    assert.deepEqual(
      calls.map(({ method }) => method),
      ['GET', 'PATCH'],
    )
  })

  test(`update() of a ${kind} with nothing to do calls nobody`, async () => {
    const { calls, update } = machineWith(['a'])
    await update(kind, {})
    assert.deepEqual(calls, [])
  })
}

test('update() tries again without the identities that Azure refuses, and tells why they are not there', async () => {
  const { calls, update } = machineWith([], { refused: ['bad'] })
  const { ids, error } = await update('vmss', { add: ['good', 'bad'] })
  assert.deepEqual(ids, ['good'])
  assert.ok(error instanceof AzureRestError)
  assert.deepEqual(Object.keys(calls.at(-1)?.ids ?? {}), [id('good')])
})

test('update() tells what the machine has when Azure refuses for another reason', async () => {
  const { update } = machineWith(['a'], { refused: ['x'] })
  const { ids, error } = await update('vm', { remove: ['a'], add: ['x'] })
  assert.deepEqual(ids, [])
  assert.ok(error instanceof AzureRestError)
})

test('update() leaves a machine alone that is going', async () => {
  const { calls, update } = machineWith(['a'], { provisioningState: 'Deleting' })
  assert.deepEqual(await update('vm', { remove: ['a'] }), { ids: [], error: undefined })
  assert.equal(calls.length, 1)
})
