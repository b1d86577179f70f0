import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createFairSlots } from './fair-slots.ts'

test('a holder gets a quarter of the slots, and another holder still finds one', () => {
  const slots = createFairSlots(8)
  const taken = [slots.take('a'), slots.take('a')]
  assert.ok(taken.every((release) => release !== undefined))
  assert.equal(slots.take('a'), undefined)
  assert.notEqual(slots.take('b'), undefined)
  taken[0]?.()
  taken[0]?.()
  assert.notEqual(slots.take('a'), undefined)
  assert.equal(slots.take('a'), undefined, 'a slot that is given back twice is one slot')
})

test('never more than all slots are taken, nor more than its share by one holder, and all come back', () => {
  const step = fc.record({ holder: fc.constantFrom('a', 'b', 'c', 'd', 'e'), release: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step), fc.integer({ min: 1, max: 9 }), (steps, total) => {
      const slots = createFairSlots(total)
      const share = Math.ceil(total / 4)
      const held: { holder: string; release: () => void }[] = []
      for (const { holder, release } of steps) {
        if (release) held.shift()?.release()
        else {
          const own = held.filter((one) => one.holder === holder).length
          const taken = slots.take(holder)
          assert.equal(taken !== undefined, held.length < total && own < share)
          if (taken !== undefined) held.push({ holder, release: taken })
        }
      }
      for (const { release } of held) release()
      assert.notEqual(slots.take('f'), undefined)
    }),
  )
})
