import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ClassChange, everyObject } from '#kubernetes/client'
import {
  type AcceptWorld,
  accept,
  annotationOf,
  changeFailed,
  changeWritten,
  createBacklog,
  dueClasses,
  nextDueAt,
  takePending,
} from './backlog.ts'
import type { VaultEvent } from './vault-event.ts'

const url = 'https://shop.vault.azure.net/secrets'

function event(id: string, changes: Partial<VaultEvent> = {}): VaultEvent {
  const base = {
    vaultHost: 'shop.vault.azure.net',
    kind: 'secret',
    name: 'db',
    version: id,
    at: 0,
  } as const
  return { id, ...base, ...changes }
}

/** Each class has every object. */
function worldOf(keys: readonly string[], changes: Record<string, ClassChange> = {}): AcceptWorld {
  return {
    index: {
      match: ({ name, version }) => ({
        classes: new Map(keys.map((key) => [key, [`${url}/${name}/${version}`]])),
        pinned: false,
      }),
    },
    changeOf: (key) => changes[key],
    now: 5000,
  }
}

const none = { spreadSeconds: 0, signInSpreadSeconds: 0 }
const annotationWorld = { before: undefined, spread: none, now: 5000, elapsed: 0 }
const one = worldOf(['blue/app'])

test('an event is finished when all its classes are annotated', () => {
  const backlog = createBacklog()
  const received = event('e1')
  assert.deepEqual(accept(backlog, [received], worldOf(['blue/app', 'red/app'])), { finished: [], ignored: [] })
  assert.deepEqual(dueClasses(backlog, 0, 10), ['blue/app', 'red/app'])
  const [blue, red] = ['blue/app', 'red/app'].map((key) => takePending(backlog, key))
  assert.ok(blue !== undefined && red !== undefined)
  assert.deepEqual(changeWritten(backlog, blue, 0), [])
  assert.deepEqual(changeWritten(backlog, red, 0), [received])
  assert.equal(nextDueAt(backlog), Number.POSITIVE_INFINITY)
})

test('events of a class within a second are one change with the newest id and the newest version of each object', () => {
  const backlog = createBacklog()
  accept(backlog, [event('first')], one)
  changeWritten(backlog, takePending(backlog, 'blue/app'), 100)
  const burst = [
    event('c', { at: 30 }),
    event('d', { at: 40 }),
    event('b', { at: 20, name: 'cache' }),
    event('a', { at: 10 }),
  ]
  accept(backlog, burst, one)
  assert.deepEqual(dueClasses(backlog, 1099, 10), [])
  assert.deepEqual(dueClasses(backlog, 1100, 10), ['blue/app'])
  assert.equal(nextDueAt(backlog), 1100)
  const change = takePending(backlog, 'blue/app')
  assert.deepEqual(annotationOf(backlog, change, { ...annotationWorld, elapsed: 1100 }), {
    id: 'd',
    at: 40,
    seen: 5000,
    objects: [`${url}/db/d`, `${url}/cache/b`],
    ...none,
  })
  assert.deepEqual(changeWritten(backlog, change, 1100), burst)
})

test('a change repeats the objects of the changes just before it, its own and those of another operator', () => {
  const backlog = createBacklog()
  accept(backlog, [event('e1')], one)
  changeWritten(backlog, takePending(backlog, 'blue/app'), 0)
  accept(backlog, [event('e2', { name: 'cache' })], one)
  const change = takePending(backlog, 'blue/app')
  const before = { id: 'x', at: 0, seen: 4000, objects: [`${url}/tls/9`], ...none }
  const objects = (elapsed: number, now: number) =>
    annotationOf(backlog, change, { before, spread: none, now, elapsed }).objects
  assert.deepEqual(objects(1000, 5000), [`${url}/tls/9`, `${url}/db/e1`, `${url}/cache/e2`])
  assert.deepEqual(objects(60_000, 60_000), [`${url}/cache/e2`])
})

test('what comes while a class is annotated is another change', () => {
  const backlog = createBacklog()
  accept(backlog, [event('e1')], one)
  const change = takePending(backlog, 'blue/app')
  const second = event('e2')
  accept(backlog, [second], one)
  assert.deepEqual(dueClasses(backlog, 0, 10), [])
  assert.deepEqual(
    changeWritten(backlog, change, 0).map(({ id }) => id),
    ['e1'],
  )
  assert.deepEqual(dueClasses(backlog, 1000, 10), ['blue/app'])
})

test('a change that failed is tried again, later each time, with what came since', () => {
  const backlog = createBacklog()
  accept(backlog, [event('e1', { at: 1 })], one)
  const change = takePending(backlog, 'blue/app')
  accept(backlog, [event('e2', { at: 2 })], one)
  changeFailed(backlog, change, 0)
  assert.deepEqual([dueClasses(backlog, 999, 9), dueClasses(backlog, 1000, 9)], [[], ['blue/app']])
  changeFailed(backlog, takePending(backlog, 'blue/app'), 1000)
  assert.equal(nextDueAt(backlog), 3000)
  const again = takePending(backlog, 'blue/app')
  assert.equal(annotationOf(backlog, again, annotationWorld).id, 'e2')
  assert.deepEqual(
    changeWritten(backlog, again, 3000).map(({ id }) => id),
    ['e1', 'e2'],
  )
})

test('an event that comes twice is processed once, and both deliveries are finished', () => {
  const backlog = createBacklog()
  const [first, second, third] = [event('e1'), event('e1'), event('e1')]
  accept(backlog, [first, second], one)
  assert.deepEqual(changeWritten(backlog, takePending(backlog, 'blue/app'), 0), [first, second])
  assert.deepEqual(accept(backlog, [third], one), { finished: [third], ignored: ['duplicate'] })
})

test('what an operator that ended has written is not written again', () => {
  const objects = [`${url}/db/e5`, `${url}/cache/e4`]
  const written: ClassChange = { id: 'e5', at: 50, seen: 60, objects, ...none }
  const world = worldOf(['blue/app'], { 'blue/app': written })
  const covered = [event('e5', { at: 50 }), event('e4', { at: 40, name: 'cache' })]
  assert.deepEqual(accept(createBacklog(), covered, world), { finished: covered, ignored: ['duplicate', 'duplicate'] })
  // The second is older by the clock of its server, and may be newer all the same.
  const others = [event('e6', { at: 60 }), event('e3', { at: 30 }), event('e5b', { at: 50, version: '' })]
  assert.deepEqual(accept(createBacklog(), others, world), { finished: [], ignored: [] })
})

test('an event that no class has is finished at once', () => {
  const none = { ...one, index: { match: () => ({ classes: new Map(), pinned: false }) } }
  const pinned = { ...one, index: { match: () => ({ classes: new Map(), pinned: true }) } }
  const received = event('e1')
  assert.deepEqual(accept(createBacklog(), [received], none), { finished: [received], ignored: ['unmatched'] })
  assert.deepEqual(accept(createBacklog(), [received], pinned), { finished: [received], ignored: ['pinned'] })
})

test('namespaces take turns', () => {
  const backlog = createBacklog()
  accept(backlog, [event('e1')], worldOf(['evil/1', 'evil/2', 'evil/3', 'blue/app', 'red/app']))
  assert.deepEqual(dueClasses(backlog, 0, 4), ['evil/1', 'blue/app', 'red/app', 'evil/2'])
})

test('namespaces take turns also when one class at a time is asked for', () => {
  const backlog = createBacklog()
  accept(backlog, [event('e1')], worldOf(['evil/1', 'evil/2', 'evil/3', 'blue/app', 'red/app']))
  const order = Array.from({ length: 5 }, () => {
    const [key = ''] = dueClasses(backlog, 0, 1)
    takePending(backlog, key)
    return key
  })
  assert.deepEqual(order, ['evil/1', 'blue/app', 'red/app', 'evil/2', 'evil/3'])
})

test('a change of more objects than an annotation can name is one of every object, and takes the memory of one', () => {
  const backlog = createBacklog()
  const burst = Array.from({ length: 150 }, (_, index) => event(`e${index}`, { name: `s${index}` }))
  accept(backlog, burst, one)
  const change = takePending(backlog, 'blue/app')
  assert.deepEqual([...change.objects.keys()], [everyObject])
  accept(backlog, [event('later', { name: 'later' })], one)
  changeFailed(backlog, change, 0)
  const again = takePending(backlog, 'blue/app')
  assert.deepEqual([...again.objects.keys()], [everyObject])
  assert.equal(again.events.size, 151)
})

test('the pairs of events and classes that wait for each other are counted', () => {
  const backlog = createBacklog()
  accept(backlog, [event('e1'), event('e2')], worldOf(['blue/app', 'red/app']))
  assert.equal(backlog.pairs, 4)
  changeWritten(backlog, takePending(backlog, 'blue/app'), 0)
  assert.equal(backlog.pairs, 2)
  changeWritten(backlog, takePending(backlog, 'red/app'), 0)
  assert.equal(backlog.pairs, 0)
})
