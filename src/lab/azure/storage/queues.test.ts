import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { temporaryDirectory } from '../../../../test/support/temporary-directory.ts'
import { openRecordStore } from '../records/record-store.ts'
import { createQueues, type Message, type Queue } from './queues.ts'

const queue: Queue = { account: 'shop', name: 'orders', metadata: {} }

function temporary(t: TestContext) {
  const directory = temporaryDirectory(t)
  let files = 0
  return () => join(directory, `${files++}.jsonl`)
}

const commands = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('put' as const), hide: fc.nat(50), live: fc.integer({ min: 1, max: 100 }) }),
    fc.record({
      do: fc.constant('take' as const),
      limit: fc.integer({ min: 1, max: 5 }),
      hide: fc.integer({ min: 1, max: 50 }),
    }),
    fc.record({ do: fc.constant('remove' as const), which: fc.nat(20) }),
    fc.record({ do: fc.constant('wait' as const), span: fc.nat(40) }),
    fc.record({ do: fc.constant('restart' as const) }),
  ),
  { maxLength: 60 },
)

test('a queue returns what is visible and not expired, at most as many as asked for, also after restarts', (t) => {
  const nextFile = temporary(t)
  fc.assert(
    fc.property(commands, (list) => {
      const file = nextFile()
      let store = openRecordStore(file)
      let queues = createQueues(store)
      store.commit([queues.put(queue)])
      const model = new Map<string, Message>()
      let now = 1000
      for (const command of list) {
        if (command.do === 'put') {
          const fields = { text: 'x', insertedAt: now, visibleAt: now + command.hide, expiresAt: now + command.live }
          const { message, changes } = queues.add(queue, fields)
          store.commit(changes)
          model.set(message.id, message)
        } else if (command.do === 'take') {
          const expected = [...model.values()].filter(({ visibleAt, expiresAt }) => visibleAt <= now && expiresAt > now)
          const found = queues.visible(queue, command.limit, now)
          assert.equal(found.length, Math.min(command.limit, expected.length))
          for (const message of found) {
            assert.deepEqual(message, model.get(message.id))
            const taken = queues.update(queue, message, {
              visibleAt: now + command.hide,
              dequeueCount: message.dequeueCount + 1,
            })
            store.commit(taken.changes)
            assert.notEqual(taken.message.popReceipt, message.popReceipt)
            model.set(message.id, taken.message)
          }
        } else if (command.do === 'remove') {
          const message = [...model.values()][command.which]
          if (message === undefined) continue
          store.commit(queues.removeMessage(queue, message))
          model.delete(message.id)
        } else if (command.do === 'wait') now += command.span
        else {
          store.close()
          store = openRecordStore(file)
          queues = createQueues(store)
        }
        const alive = [...model.values()].filter(({ expiresAt }) => expiresAt > now).length
        assert.equal(queues.count(queue, now), alive)
      }
      store.close()
    }),
    { numRuns: 150 },
  )
})

test('messages come in the order in which they were written last: put, read or updated', (t) => {
  const store = openRecordStore(temporary(t)())
  const queues = createQueues(store)
  store.commit([queues.put(queue)])
  const put = (text: string, now: number) => {
    store.commit(queues.add(queue, { text, insertedAt: now, visibleAt: now, expiresAt: 1e6 }).changes)
  }
  put('first', 0)
  put('second', 1)
  const [first] = queues.visible(queue, 1, 2)
  assert.ok(first)
  store.commit(queues.update(queue, first, { visibleAt: 10 }).changes)
  put('third', 3)
  assert.deepEqual(
    queues.visible(queue, 3, 10).map(({ text }) => text),
    ['second', 'first', 'third'],
  )
  store.close()
})
