import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Collection, type ListedObject, vaultAddress } from '#azure/keyvault'
import { SecretValue, silentLog } from '#lib'
import { createManualClock } from '../../../../test/support/manual-clock.ts'
import { shareOfLimit, watchVault } from './watch-vault.ts'

const auth = { resource: 'https://vault.azure.net', token: async () => SecretValue.of('t'), refused: () => {} }

function watched(intervalMs = 15_000) {
  const clock = createManualClock()
  const lists: Record<Collection, ListedObject[]> = { secrets: [], keys: [], certificates: [] }
  const client = { listObjects: async (_: unknown, collection: Collection) => lists[collection] }
  const vault = vaultAddress('shop', 'vault.azure.net')
  const source = watchVault({ vault, intervalMs, client, auth, log: silentLog, clock })
  const { signal } = new AbortController()
  /** The next list, after its interval. */
  const next = async () => {
    const events = source.next(signal)
    await clock.advance(intervalMs)
    return (await events).map(({ kind, name }) => `${kind} ${name}`)
  }
  const secondsAgo = (seconds: number) => Math.floor(clock.now() / 1000) - seconds
  return { lists, next, secondsAgo, source, clock, signal }
}

test('what differs from the list before is an event', async () => {
  const { lists, next, secondsAgo } = watched()
  const old = secondsAgo(3600)
  lists.secrets = [
    { name: 'db', enabled: true, updated: old },
    { name: 'cache', enabled: true, updated: old },
  ]
  lists.keys = [{ name: 'sign', enabled: true, updated: old }]
  assert.deepEqual(await next(), [])
  assert.deepEqual(await next(), [])
  lists.secrets = [{ name: 'db', enabled: true, updated: secondsAgo(10) }]
  lists.keys = [{ name: 'sign', enabled: false, updated: old }]
  lists.certificates = [{ name: 'site', enabled: true, updated: secondsAgo(10) }]
  assert.deepEqual((await next()).toSorted(), ['certificate site', 'key sign', 'secret cache', 'secret db'])
  assert.deepEqual(await next(), [])
})

test('what changed shortly before the first list is an event: the operator before may have missed it', async () => {
  const { lists, next, secondsAgo } = watched()
  lists.secrets = [
    { name: 'db', enabled: true, updated: secondsAgo(60) },
    { name: 'cache', enabled: true, updated: secondsAgo(3600) },
  ]
  assert.deepEqual(await next(), ['secret db'])
})

test('times have whole seconds, so an object that changed just before a list is reported once more', async () => {
  const { lists, next, secondsAgo } = watched()
  await next()
  lists.secrets = [{ name: 'db', enabled: true, updated: secondsAgo(0) }]
  assert.deepEqual(await next(), ['secret db'])
  assert.deepEqual(await next(), ['secret db'])
  assert.deepEqual(await next(), [])
})

test('a watch that takes more than 5 % of the limit of the vault is refused, with the interval that would do', async () => {
  assert.equal(shareOfLimit(3, 15_000), 0.0005)
  assert.equal(shareOfLimit(100, 5000).toFixed(4), '0.0500')
  const { lists, source, clock, signal, secondsAgo } = watched(5000)
  const updated = secondsAgo(3600)
  lists.secrets = Array.from({ length: 3000 }, (_, index) => ({ name: `s${index}`, enabled: true, updated }))
  const tooExpensive = assert.rejects(
    source.next(signal),
    /take 6.10 % of the vault's limit; expected at most 5 %: an interval of 7s/,
  )
  await clock.advance(0)
  await tooExpensive
  lists.secrets = []
  const events = source.next(signal)
  await clock.advance(9 * 60_000)
  assert.equal(await Promise.race([events, 'waiting']), 'waiting', 'it is counted again after ten minutes')
  await clock.advance(60_000)
  assert.deepEqual(await events, [])
})
