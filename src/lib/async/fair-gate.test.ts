import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createFairGate } from './fair-gate.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('createFairGate() runs no more tasks at once than it may, in all and of one owner, and runs all of them', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 40 }), async (owners) => {
      const gate = createFairGate({ total: 4, perOwner: 2 })
      const running: string[] = []
      let done = 0
      const work = async (owner: string) => {
        running.push(owner)
        assert.ok(running.length <= 4)
        assert.ok(running.filter((one) => one === owner).length <= 2)
        await turn()
        running.splice(running.indexOf(owner), 1)
        done++
      }
      await Promise.all(owners.map((owner) => gate.run(owner, () => work(owner))))
      assert.equal(done, owners.length)
    }),
    { numRuns: 50 },
  )
})

test('createFairGate() lets a second owner in before the rest of the first one’s queue', async () => {
  const gate = createFairGate({ total: 1, perOwner: 1 })
  const order: string[] = []
  const work = (name: string) => async () => {
    order.push(name)
    await turn()
  }
  await Promise.all([...['a1', 'a2', 'a3'].map((name) => gate.run('a', work(name))), gate.run('b', work('b1'))])
  assert.deepEqual(order, ['a1', 'a2', 'b1', 'a3'])
})

test('createFairGate() forgets a task whose caller leaves while it waits, and frees the place of one that fails', async () => {
  const gate = createFairGate({ total: 1 })
  const first = gate.run('a', async () => {
    await turn()
    throw new Error('failed')
  })
  const gone = new AbortController()
  const leaving = gate.run('a', async () => assert.fail('it runs'), gone.signal)
  gone.abort(new Error('left'))
  await assert.rejects(leaving, /left/)
  await assert.rejects(first, /failed/)
  assert.equal(await gate.run('a', async () => 'fine'), 'fine')
  await assert.rejects(
    gate.run('a', async () => 'fine', gone.signal),
    /left/,
  )
})
