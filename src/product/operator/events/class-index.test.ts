import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { VaultObject } from '#azure/class'
import { parseClassChange, printClassChange } from '#kubernetes/client'
import { createClassIndex } from './class-index.ts'
import type { VaultEvent } from './vault-event.ts'

const object = (collection: VaultObject['collection'], name: string, version = ''): VaultObject => ({
  vaultHost: 'shop.vault.azure.net',
  collection,
  name,
  version,
})

const event = (kind: VaultEvent['kind'], name: string, version = 'a1'): VaultEvent => ({
  id: 'e1',
  vaultHost: 'shop.vault.azure.net',
  kind,
  name,
  version,
  at: 0,
})

const url = 'https://shop.vault.azure.net'

test('an event concerns the classes that have its object, whatever the case of its name', () => {
  const index = createClassIndex()
  index.set('blue/app', [object('secrets', 'DB'), object('keys', 'db')])
  index.set('red/app', [object('secrets', 'other')])
  assert.deepEqual([...index.match(event('secret', 'db')).classes], [['blue/app', [`${url}/secrets/db/a1`]]])
  assert.deepEqual([...index.match(event('key', 'db')).classes], [['blue/app', [`${url}/keys/db/a1`]]])
  assert.deepEqual([...index.match(event('key', 'other')).classes], [])
  assert.deepEqual([...index.match({ ...event('secret', 'db'), vaultHost: 'bank.vault.azure.net' }).classes], [])
})

test('a certificate changes with its key and its secret', () => {
  const index = createClassIndex()
  index.set('blue/app', [object('secrets', 'tls'), object('certificates', 'tls')])
  index.set('red/app', [object('keys', 'tls')])
  assert.deepEqual(
    [...index.match(event('certificate', 'tls')).classes],
    [
      ['blue/app', [`${url}/certificates/tls/a1`, `${url}/secrets/tls/a1`]],
      ['red/app', [`${url}/keys/tls/a1`]],
    ],
  )
})

test('a class with another version of the object is not concerned', () => {
  const index = createClassIndex()
  index.set('blue/app', [object('secrets', 'db', 'A1')])
  index.set('red/app', [object('secrets', 'db', 'b2'), object('secrets', 'db', 'c3')])
  const { classes, pinned } = index.match(event('secret', 'db'))
  assert.deepEqual([[...classes.keys()], pinned], [['blue/app'], true])
  assert.deepEqual([...index.match(event('secret', 'db', '')).classes.keys()], ['blue/app', 'red/app'])
})

test('a class that selects objects of a vault is concerned by all of their kind', () => {
  const index = createClassIndex()
  index.set('blue/app', [object('secrets', '*'), object('secrets', 'db')])
  const ids = [...index.match(event('secret', 'db')).classes]
  assert.deepEqual(ids, [['blue/app', [`${url}/secrets/db/a1`]]])
  assert.deepEqual([...index.match(event('secret', 'new')).classes.keys()], ['blue/app'])
  assert.deepEqual([...index.match(event('key', 'new')).classes.keys()], [])
})

test('a class that only selects objects gets no name: its author need not have a right to the names in that vault', () => {
  const index = createClassIndex()
  index.set('evil/app', [object('secrets', '*'), object('secrets', 'other')])
  index.set('blue/app', [object('secrets', '*'), object('secrets', 'db')])
  const { classes } = index.match(event('secret', 'db'))
  assert.deepEqual(classes.get('blue/app'), [`${url}/secrets/db/a1`])
  const [id = ''] = classes.get('evil/app') ?? []
  assert.match(id, /^https:\/\/shop\.vault\.azure\.net\/secrets\/~[0-9a-f]{32}\/a1$/)
  // Changes of the same object are one object in the annotation, which takes it as an id.
  assert.deepEqual(index.match(event('secret', 'DB')).classes.get('evil/app'), [id])
  const change = { id: 'e', at: 0, seen: 0, objects: [id], spreadSeconds: 0, signInSpreadSeconds: 0 }
  assert.deepEqual(parseClassChange(printClassChange(change))?.objects, [id])
})

test('a change of access concerns every class of the vault', () => {
  const index = createClassIndex()
  index.set('blue/app', [object('secrets', 'db'), object('keys', 'k')])
  index.set('red/app', [{ ...object('secrets', 'db'), vaultHost: 'bank.vault.azure.net' }])
  assert.deepEqual([...index.match(event('access', '')).classes], [['blue/app', ['*']]])
})

test('a class that changes or goes is no longer concerned by what it had', () => {
  const index = createClassIndex()
  index.set('blue/app', [object('secrets', 'db')])
  index.set('blue/app', [object('secrets', 'cache')])
  assert.equal(index.match(event('secret', 'db')).classes.size, 0)
  assert.equal(index.match(event('secret', 'cache')).classes.size, 1)
  index.remove('blue/app')
  assert.equal(index.match(event('secret', 'cache')).classes.size, 0)
  assert.equal(index.size, 0)
})

test('the classes of a namespace share a limit, which does not concern other namespaces', () => {
  const index = createClassIndex()
  const many = Array.from({ length: 15_000 }, (_, i) => object('secrets', `s${i}`))
  assert.equal(index.set('blue/a', many), true)
  assert.equal(index.set('blue/b', many), false)
  assert.equal(index.set('red/a', many), true)
  assert.deepEqual([...index.match(event('secret', 's7')).classes.keys()], ['blue/a', 'red/a'])
  index.remove('blue/a')
  assert.equal(index.set('blue/b', many), true)
})
